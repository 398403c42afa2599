// The cgroup of a pod's VM inside the pod's own, in every hierarchy of the host that has the pod's.
// docs/decisions/0023-pod-cgroup.md
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime-shim/host/cgroup_place.h"
#include "runtime-shim/host/cgroup_usage.h"

namespace locket::runtime_shim {

// The seam at the kernel. Paths are absolute.
class CgroupFiles {
 public:
  virtual ~CgroupFiles() = default;
  virtual bool HasDirectory(const std::filesystem::path& path) = 0;
  // Succeeds when it is there.
  virtual Status MakeDirectory(const std::filesystem::path& path) = 0;
  // Succeeds when it is gone. kFailedPrecondition: processes are in it.
  virtual Status RemoveDirectory(const std::filesystem::path& path) = 0;
  virtual Result<std::string> Read(const std::filesystem::path& path) = 0;
  virtual Status Write(const std::filesystem::path& path, const std::string& text) = 0;
};

CgroupFiles& KernelCgroupFiles();

// What a host has. A default one has no cgroups.
struct HostCgroups {
  std::vector<CgroupMount> mounts{};
  // Where containerd says a pod belongs if nobody gave it a parent: its namespace's name.
  std::string unasked_parent{};
  CgroupFiles* files = nullptr;
};

class PodCgroup {
 public:
  // Makes it, after writing into `record_dir` what there is to remove, also of a failure: see
  // RemoveRecordedCgroups. Nothing where there is none to be had: no path, the parent nobody asked
  // for, or no cgroups that can be written to; a log line then says why. kFailedPrecondition: the
  // parent is not there.
  static Result<std::optional<PodCgroup>> Make(const HostCgroups& host,
                                               const std::string& cgroups_path,
                                               const std::string& id,
                                               const std::filesystem::path& record_dir);

  // Whoever is to be in it writes to cgroup.procs in each.
  const std::vector<std::filesystem::path>& directories() const { return directories_; }
  // As an operator finds it below /sys/fs/cgroup.
  std::string name() const { return "/" + (place_.parent / place_.name).string(); }
  bool unified() const { return unified_; }

  // Of the processes in it, with the limits of the pod's. What cannot be read is 0, or no limit.
  CgroupUsage Usage() const;

 private:
  PodCgroup(CgroupFiles& files, CgroupPlace place) : files_(&files), place_(std::move(place)) {}
  Status MakeOne(const CgroupMount& mount);
  // Where a controller's files are.
  struct Part {
    std::filesystem::path directory;
    bool unified;
  };
  Part PartFor(std::string_view controller) const;
  std::string ReadIn(const Part& part, const char* file) const;
  uint64_t LimitIn(const Part& part, const char* file) const;
  void ReadCpu(CgroupUsage& usage) const;
  void ReadMemory(CgroupUsage& usage) const;

  CgroupFiles* files_;
  CgroupPlace place_;
  std::vector<CgroupMount> mounts_;  // one for each of directories_
  std::vector<std::filesystem::path> directories_;
  bool unified_ = false;  // there is no other hierarchy
};

// The directories that Make wrote down in `dir`. An absent record is an empty list.
std::vector<std::filesystem::path> ReadCgroupRecord(const std::filesystem::path& dir);

// Removes what is recorded in `dir`, once its processes have gone, for which it waits up to `wait`.
// The first failure, after trying all.
Status RemoveRecordedCgroups(CgroupFiles& files, const std::filesystem::path& dir,
                             std::chrono::milliseconds wait);

}  // namespace locket::runtime_shim
