// The cgroup of a pod's VM, inside the pod's cgroup, in every hierarchy of the host where the pod
// has one. Limits of the pod then hold for the VM, and the kubelet counts what the VM uses
// (docs/decisions/0023-pod-cgroup.md).
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

// The seam at the kernel: the file system of the cgroups. Paths are absolute. Thread-safe.
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

// Returns the running kernel's.
CgroupFiles& KernelCgroupFiles();

// The cgroups of a host. A default-constructed one has none.
struct HostCgroups {
  std::vector<CgroupMount> mounts{};
  // containerd's namespace. It is the parent that containerd names for a pod if nobody gave the pod
  // a parent; no VM's cgroup is made there.
  std::string unasked_parent{};
  CgroupFiles* files = nullptr;
};

// A cgroup that was made, with all its directories. It is not removed with the object, but by
// RemoveRecordedCgroups, after the VM's end and also after a crash of the shim. Thread-safe.
class PodCgroup {
 public:
  // Makes the cgroup of the pod `id`. First writes into `record_dir` which directories there may be
  // to remove, so that a failure or a crash leaves nothing unknown: see RemoveRecordedCgroups.
  // Returns nothing where the VM can have no cgroup: the pod names no path, or its parent is the
  // one that nobody asked for, or the host's cgroups cannot be written to. A log line then says
  // why. kFailedPrecondition: the parent is not there. kInvalidArgument: the path is malformed.
  static Result<std::optional<PodCgroup>> Make(const HostCgroups& host,
                                               const std::string& cgroups_path,
                                               const std::string& id,
                                               const std::filesystem::path& record_dir);

  // Returns the cgroup's directories, one for each hierarchy. A process joins the cgroup by writing
  // to cgroup.procs in each.
  const std::vector<std::filesystem::path>& directories() const { return directories_; }
  // Returns its path below each mount point, as an operator finds it below /sys/fs/cgroup.
  std::string name() const { return "/" + (place_.parent / place_.name).string(); }
  // Returns whether the host has the unified hierarchy (version 2) and no other.
  bool unified() const { return unified_; }

  // Returns what the processes in it use, with the limits of the pod's cgroup. A file that cannot
  // be read counts as 0, or as no limit.
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

// Returns the directories that Make recorded in `dir`, whether they exist or not. An absent record
// is an empty list.
std::vector<std::filesystem::path> ReadCgroupRecord(const std::filesystem::path& dir);

// Removes the directories that are recorded in `dir`. Waits up to `wait` for their processes to
// end. Succeeds for those that are gone. Tries all, and returns the first failure.
Status RemoveRecordedCgroups(CgroupFiles& files, const std::filesystem::path& dir,
                             std::chrono::milliseconds wait);

}  // namespace locket::runtime_shim
