#include "runtime-shim/host/pod_cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::string_view kRecord = "cgroups";
constexpr size_t kMaxCgroupFile = 1U << 20;
constexpr milliseconds kLookAgain{10};
// Of cpuset: without these two no process may enter.
constexpr const char* kCpusetFiles[] = {"cpuset.cpus", "cpuset.mems"};

class KernelFiles final : public CgroupFiles {
 public:
  bool HasDirectory(const fs::path& path) override {
    std::error_code failed;
    return fs::is_directory(path, failed);
  }
  Status MakeDirectory(const fs::path& path) override {
    if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return Ok();
    return Error::FromErrno(errno, "make '" + path.string() + "'");
  }
  Status RemoveDirectory(const fs::path& path) override {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return Ok();
    return Error::FromErrno(errno, "remove '" + path.string() + "'");
  }
  Result<std::string> Read(const fs::path& path) override { return ReadFile(path, kMaxCgroupFile); }
  Status Write(const fs::path& path, const std::string& text) override {
    const std::string doing = "write '" + text + "' to '" + path.string() + "'";
    LOCKET_TRY_ASSIGN(const auto fd, OpenFile(path, O_WRONLY).While(doing));
    return WriteFull(fd.get(), AsBytes(text)).While(doing);
  }
};

bool IsBlank(const std::string& text) { return text.find_first_not_of(" \n") == text.npos; }

// Whether `mount` has the pod's cgroup, and it takes processes.
bool IsUsable(CgroupFiles& files, const CgroupMount& mount, const fs::path& parent) {
  if (mount.read_only || !files.HasDirectory(parent)) return false;
  if (!mount.Has("cpuset")) return true;
  return std::ranges::all_of(kCpusetFiles, [&](const char* file) {
    const auto text = files.Read(parent / file);
    return text.ok() && !IsBlank(*text);
  });
}

// The unified hierarchy accounts for a cgroup by itself only what its parent says so for. Where it
// may not, the parent's own files still tell.
void EnableControllers(CgroupFiles& files, const fs::path& parent) {
  const auto there = files.Read(parent / "cgroup.controllers");
  if (!there.ok()) return;
  std::istringstream words(*there);
  for (std::string word; words >> word;) {
    const auto enabled = files.Write(parent / "cgroup.subtree_control", "+" + word);
    if (!enabled.ok()) log::Debug("a controller stays off", {log::Field(enabled.error())});
  }
}

Status WriteRecord(const fs::path& dir, const std::vector<fs::path>& directories) {
  std::string text;
  for (const auto& directory : directories) text += directory.string() + "\n";
  return ReplaceFileDurably(dir / kRecord, text);
}

void LogNone(const std::string& id, const std::string& why) {
  log::Warning("the pod's VM stays in the shim's cgroup: no limit of the pod holds for it there",
               {{"pod", id}, {"why", why}});
}

}  // namespace

CgroupFiles& KernelCgroupFiles() {
  static KernelFiles files;
  return files;
}

Result<std::optional<PodCgroup>> PodCgroup::Make(const HostCgroups& host,
                                                 const std::string& cgroups_path,
                                                 const std::string& id,
                                                 const fs::path& record_dir) {
  std::optional<PodCgroup> none;
  if (cgroups_path.empty()) {
    LogNone(id, "it was given none");
    return none;
  }
  LOCKET_TRY_ASSIGN(auto place, PlaceInCgroups(cgroups_path, id));
  if (std::ranges::all_of(host.mounts, &CgroupMount::read_only)) {
    LogNone(id, host.mounts.empty() ? "no cgroups are mounted" : "cgroups are read-only");
    return none;
  }
  PodCgroup made(*host.files, std::move(place));
  for (const CgroupMount& mount : host.mounts) {
    const auto parent = mount.mount_point / made.place_.parent;
    if (!IsUsable(*host.files, mount, parent)) continue;
    made.mounts_.push_back(mount);
    made.directories_.push_back(parent / made.place_.name);
  }
  if (made.directories_.empty()) {
    const std::string parent = "/" + made.place_.parent.string();
    if (made.place_.parent == host.unasked_parent) {
      LogNone(id, "no parent was asked for");
      return none;
    }
    return Error(ErrorCode::kFailedPrecondition,
                 "the pod's cgroup '" + parent +
                     "' is not there: make it before the pod, as the kubelet does, or set "
                     "pod_cgroup = false");
  }
  made.unified_ = std::ranges::all_of(host.mounts, &CgroupMount::unified);
  LOCKET_TRY(WriteRecord(record_dir, made.directories_));
  for (const CgroupMount& mount : made.mounts_) {
    LOCKET_TRY(made.MakeOne(mount).While("make cgroup '" + made.name() + "'"));
  }
  return std::optional(std::move(made));
}

Status PodCgroup::MakeOne(const CgroupMount& mount) {
  const auto parent = mount.mount_point / place_.parent;
  if (mount.unified) EnableControllers(*files_, parent);
  const auto directory = parent / place_.name;
  LOCKET_TRY(files_->MakeDirectory(directory));
  if (!mount.Has("cpuset")) return Ok();
  for (const char* file : kCpusetFiles) {
    LOCKET_TRY_ASSIGN(const auto text, files_->Read(parent / file));
    LOCKET_TRY(files_->Write(directory / file, text));
  }
  return Ok();
}

PodCgroup::Part PodCgroup::PartFor(std::string_view controller) const {
  Part unified{.directory = {}, .unified = true};
  for (size_t i = 0; i < mounts_.size(); ++i) {
    if (mounts_[i].Has(controller)) return {.directory = directories_[i], .unified = false};
    if (mounts_[i].unified) unified.directory = directories_[i];
  }
  return unified;
}

// Nobody else is in the pod's cgroup, so its files tell the same where ours are not there.
std::string PodCgroup::ReadIn(const Part& part, const char* file) const {
  for (const auto& place : {part.directory, part.directory.parent_path()}) {
    auto text = files_->Read(place / file);
    if (text.ok()) return std::move(text).value();
  }
  return {};
}

uint64_t PodCgroup::LimitIn(const Part& part, const char* file) const {
  uint64_t least = kNoLimit;
  for (const auto& place : {part.directory, part.directory.parent_path()}) {
    const auto text = files_->Read(place / file);
    if (text.ok()) least = std::min(least, CgroupNumber(*text));
  }
  return least;
}

void PodCgroup::ReadCpu(CgroupUsage& usage) const {
  const Part part = PartFor("cpuacct");
  if (part.unified) {
    constexpr uint64_t kNsPerUs = 1000;
    const std::string stat = ReadIn(part, "cpu.stat");
    usage.cpu_ns = CgroupKey(stat, "usage_usec") * kNsPerUs;
    usage.cpu_user_ns = CgroupKey(stat, "user_usec") * kNsPerUs;
    usage.cpu_system_ns = CgroupKey(stat, "system_usec") * kNsPerUs;
    return;
  }
  usage.cpu_ns = CgroupNumber(ReadIn(part, "cpuacct.usage"));
  usage.cpu_user_ns = CgroupNumber(ReadIn(part, "cpuacct.usage_user"));
  usage.cpu_system_ns = CgroupNumber(ReadIn(part, "cpuacct.usage_sys"));
}

void PodCgroup::ReadMemory(CgroupUsage& usage) const {
  const Part part = PartFor("memory");
  const std::string stat = ReadIn(part, "memory.stat");
  if (part.unified) {
    usage.memory_bytes = CgroupNumber(ReadIn(part, "memory.current"));
    usage.memory_peak_bytes = CgroupNumber(ReadIn(part, "memory.peak"));
    usage.memory_limit_bytes = LimitIn(part, "memory.max");
    usage.anon_bytes = CgroupKey(stat, "anon");
    usage.file_bytes = CgroupKey(stat, "file");
    usage.inactive_file_bytes = CgroupKey(stat, "inactive_file");
    usage.page_faults = CgroupKey(stat, "pgfault");
    usage.major_page_faults = CgroupKey(stat, "pgmajfault");
    usage.oom_kills = CgroupKey(ReadIn(part, "memory.events"), "oom_kill");
    return;
  }
  usage.memory_bytes = CgroupNumber(ReadIn(part, "memory.usage_in_bytes"));
  usage.memory_peak_bytes = CgroupNumber(ReadIn(part, "memory.max_usage_in_bytes"));
  usage.memory_limit_bytes = LimitIn(part, "memory.limit_in_bytes");
  usage.anon_bytes = CgroupKey(stat, "total_rss");
  usage.file_bytes = CgroupKey(stat, "total_cache");
  usage.inactive_file_bytes = CgroupKey(stat, "total_inactive_file");
  usage.page_faults = CgroupKey(stat, "total_pgfault");
  usage.major_page_faults = CgroupKey(stat, "total_pgmajfault");
  usage.oom_kills = CgroupKey(ReadIn(part, "memory.oom_control"), "oom_kill");
}

CgroupUsage PodCgroup::Usage() const {
  CgroupUsage usage;
  ReadCpu(usage);
  ReadMemory(usage);
  const Part pids = PartFor("pids");
  usage.pids = CgroupNumber(ReadIn(pids, "pids.current"));
  usage.pids_limit = LimitIn(pids, "pids.max");
  return usage;
}

std::vector<fs::path> ReadCgroupRecord(const fs::path& dir) {
  std::vector<fs::path> directories;
  const auto text = ReadFile(dir / kRecord, kMaxCgroupFile);
  if (!text.ok()) return directories;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('/')) directories.emplace_back(line);
  }
  return directories;
}

Status RemoveRecordedCgroups(CgroupFiles& files, const fs::path& dir, milliseconds wait) {
  Status first = Ok();
  const auto until = steady_clock::now() + wait;
  for (const auto& directory : ReadCgroupRecord(dir)) {
    auto removed = files.RemoveDirectory(directory);
    // A killed process leaves its cgroups a moment after those who wait for it are told.
    while (!removed.ok() && removed.error().code() == ErrorCode::kFailedPrecondition &&
           steady_clock::now() < until) {
      std::this_thread::sleep_for(kLookAgain);
      removed = files.RemoveDirectory(directory);
    }
    if (!removed.ok() && first.ok()) first = std::move(removed);
  }
  return first;
}

}  // namespace locket::runtime_shim
