#include "key-broker/process_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>

#include "base/file.h"
#include "key-broker/server.h"

namespace locket::key_broker {
namespace {

constexpr size_t kMaxCgroupBytes = 64U << 10;
constexpr uint64_t kFilesPerThread = 2;  // what wakes it up: an eventfd, or both ends of a pipe

// "max", no file (the root has none) and nonsense are no limit.
std::optional<uint64_t> PidsMax(const std::filesystem::path& cgroup) {
  const auto text = ReadFile(cgroup / "pids.max", kMaxCgroupBytes);
  uint64_t value = 0;
  if (!text.ok()) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace

std::optional<uint64_t> TasksLimit(std::string_view own, const std::filesystem::path& root) {
  constexpr std::string_view kUnified = "0::/";
  while (!own.empty() && !own.starts_with(kUnified)) {
    const size_t end = own.find('\n');
    own = end == std::string_view::npos ? std::string_view() : own.substr(end + 1);
  }
  if (own.empty()) return std::nullopt;
  std::filesystem::path cgroup = root;
  auto least = PidsMax(cgroup);
  for (const auto& name :
       std::filesystem::path(own.substr(kUnified.size(), own.find('\n') - kUnified.size()))) {
    cgroup /= name;
    const auto limit = PidsMax(cgroup);
    if (limit && (!least || *limit < *least)) least = limit;
  }
  return least;
}

Result<ProcessLimits> RaiseProcessLimits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) {
    return Error::FromErrno(errno, "read the limit of open files");
  }
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    return Error::FromErrno(errno, "raise the soft limit of open files to the hard one");
  }
  const auto own = ReadFile("/proc/self/cgroup", kMaxCgroupBytes);
  return ProcessLimits{
      .files = files.rlim_cur,
      .tasks = own.ok() ? TasksLimit(*own, "/sys/fs/cgroup") : std::optional<uint64_t>()};
}

Status CheckFits(const Config& config, const ProcessLimits& limits) {
  const uint64_t files = kSocketsPerConnection * config.max_connections +
                         kFilesPerThread * config.threads + kReservedFiles;
  if (files > limits.files) {
    return Error(ErrorCode::kFailedPrecondition,
                 "limits.max_connections = " + std::to_string(config.max_connections) + " needs " +
                     std::to_string(files) + " open files, and this process may have " +
                     std::to_string(limits.files) +
                     ": lower it, or raise LimitNOFILE= of the unit (outside of systemd the hard "
                     "limit, ulimit -Hn)");
  }
  const uint64_t tasks = config.threads + kReservedTasks;
  if (limits.tasks && tasks > *limits.tasks) {
    return Error(ErrorCode::kFailedPrecondition,
                 "limits.threads = " + std::to_string(config.threads) + " needs " +
                     std::to_string(tasks) + " tasks, and this process's cgroup may have " +
                     std::to_string(*limits.tasks) +
                     ": lower it, or raise TasksMax= of the unit (pids.max of the cgroup)");
  }
  return Ok();
}

}  // namespace locket::key_broker
