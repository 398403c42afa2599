#include "runtime-shim/hypervisor/process_record.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string>

#include "base/file.h"
#include "base/unique_fd.h"
#include "runtime-shim/host/pod_cgroup.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kMaxProcFile = 1U << 20;
constexpr size_t kMaxPidFile = 64;
constexpr std::string_view kRecord = "processes";
constexpr milliseconds kAfterSigkill{2000};

template <typename Number>
std::optional<Number> Parse(std::string_view text) {
  Number value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::filesystem::path ProcFile(pid_t pid, const char* name) {
  return std::filesystem::path("/proc") / std::to_string(pid) / name;
}

// A process pinned by a descriptor: signals reach this process, and never a later one with the same
// ID.
class PinnedProcess {
 public:
  explicit PinnedProcess(pid_t pid)
      : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  pid_t pid() const { return pid_; }
  bool valid() const { return fd_.valid(); }
  void Signal(int signal) const {
    (void)::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0);
  }
  bool GoneBefore(steady_clock::time_point deadline) const {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    pollfd waiting{fd_.get(), POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left, 0))) > 0;
  }

 private:
  pid_t pid_;
  UniqueFd fd_;
};

// The process in the hypervisor's own pid file, which exists before our record of it does.
std::optional<PinnedProcess> PinHypervisor(const std::filesystem::path& dir) {
  const auto pid = ReadPidFile(dir);
  if (!pid) return std::nullopt;
  PinnedProcess process(*pid);
  const auto cmdline = ReadFile(ProcFile(*pid, "cmdline"), kMaxProcFile);
  const std::string ours = (dir / kPidFile).string();
  if (!process.valid() || !cmdline.ok() || cmdline->find(ours) == std::string::npos) {
    return std::nullopt;
  }
  return process;
}

std::vector<pid_t> ReadPids(const std::filesystem::path& file) {
  std::vector<pid_t> pids;
  const auto text = ReadFile(file, kMaxProcFile);
  if (!text.ok()) return pids;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const auto pid = Parse<pid_t>(line);
    if (pid && *pid > 1) pids.push_back(*pid);
  }
  return pids;
}

// A process that was started just before the shim was killed is in no record, but it is in the
// pod's cgroup.
void PinMembers(const std::filesystem::path& procs, std::vector<PinnedProcess>& pinned) {
  for (const pid_t pid : ReadPids(procs)) {
    if (std::ranges::count(pinned, pid, &PinnedProcess::pid) > 0) continue;
    PinnedProcess process(pid);
    // Still there once it is pinned, so it is that process.
    if (process.valid() && std::ranges::count(ReadPids(procs), pid) > 0) {
      pinned.push_back(std::move(process));
    }
  }
}

std::vector<PinnedProcess> PinRecorded(const std::filesystem::path& dir) {
  std::vector<PinnedProcess> pinned;
  for (const ProcessId& recorded : ReadProcessRecord(dir)) {
    PinnedProcess process(recorded.pid);
    const auto now = IdentifyProcess(recorded.pid);
    if (process.valid() && now.ok() && *now == recorded) pinned.push_back(std::move(process));
  }
  if (auto process = PinHypervisor(dir)) pinned.push_back(std::move(*process));
  for (const auto& cgroup : ReadCgroupRecord(dir)) PinMembers(cgroup / "cgroup.procs", pinned);
  return pinned;
}

}  // namespace

Result<ProcessId> IdentifyProcess(pid_t pid) {
  const Error absent(ErrorCode::kNotFound, "no process " + std::to_string(pid));
  const auto stat = ReadFile(ProcFile(pid, "stat"), kMaxProcFile);
  if (!stat.ok()) return absent;
  // The name, field 2, may hold anything; it ends at the last parenthesis. Then come fields 3 on.
  const size_t end_of_name = stat->rfind(')');
  if (end_of_name == std::string::npos) return absent;
  std::istringstream fields(stat->substr(end_of_name + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  const auto start_time = Parse<uint64_t>(field);
  if (!start_time) return absent;
  return ProcessId{.pid = pid, .start_time = *start_time};
}

std::optional<pid_t> ReadPidFile(const std::filesystem::path& dir) {
  const auto text = ReadFile(dir / kPidFile, kMaxPidFile);
  if (!text.ok()) return std::nullopt;
  const auto pid = Parse<pid_t>(std::string_view(*text).substr(0, text->find_first_of("\n ")));
  return pid && *pid > 1 ? pid : std::nullopt;
}

Status WriteProcessRecord(const std::filesystem::path& dir,
                          const std::vector<ProcessId>& processes) {
  std::string text;
  for (const ProcessId& process : processes) {
    text += std::to_string(process.pid) + " " + std::to_string(process.start_time) + "\n";
  }
  return ReplaceFileDurably(dir / kRecord, text);
}

std::vector<ProcessId> ReadProcessRecord(const std::filesystem::path& dir) {
  std::vector<ProcessId> processes;
  const auto text = ReadFile(dir / kRecord, kMaxProcFile);
  if (!text.ok()) return processes;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    const auto pid = Parse<pid_t>(std::string_view(line).substr(0, space));
    const auto start_time = Parse<uint64_t>(std::string_view(line).substr(space + 1));
    if (!pid || *pid <= 1 || !start_time) continue;
    processes.push_back({.pid = *pid, .start_time = *start_time});
  }
  return processes;
}

int KillRecorded(const std::filesystem::path& dir, milliseconds grace) {
  const auto processes = PinRecorded(dir);
  for (const PinnedProcess& process : processes) process.Signal(SIGTERM);
  const auto deadline = steady_clock::now() + grace;
  for (const PinnedProcess& process : processes) {
    if (!process.GoneBefore(deadline)) process.Signal(SIGKILL);
  }
  const auto last = steady_clock::now() + kAfterSigkill;
  for (const PinnedProcess& process : processes) (void)process.GoneBefore(last);
  return static_cast<int>(processes.size());
}

Status RemoveSandboxState(const std::filesystem::path& dir, milliseconds grace) {
  (void)KillRecorded(dir, grace);
  auto left = RemoveRecordedCgroups(KernelCgroupFiles(), dir, kAfterSigkill);
  std::error_code failed;
  std::filesystem::remove_all(dir, failed);
  if (failed) return Error::FromErrno(failed.value(), "remove '" + dir.string() + "'");
  return left;
}

}  // namespace locket::runtime_shim
