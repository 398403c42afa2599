// Where the host's cgroups are mounted, and where among them a pod's VM goes. Functions of text
// alone: nothing here looks at the host.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxCgroupsPath = 2048;

// The cgroup of a VM, by its path below each mount point: parent/name.
struct CgroupPlace {
  std::filesystem::path parent;  // the pod's cgroup; empty: the root
  std::string name;              // of the VM's cgroup in it
  bool operator==(const CgroupPlace&) const = default;
};

// Returns the place for the VM of the pod `id`. `cgroups_path` is linux.cgroupsPath of its OCI
// spec: "/parent/id", or systemd's "slice:prefix:id", where a-b.slice lies in a.slice. Both
// "/kubepods/p/id" with parent "kubepods/p" and "kubepods-p.slice:cri-containerd:id" with parent
// "kubepods.slice/kubepods-p.slice" are a pod's.
//
// The name never holds 64 successive characters of `id`. With such a name cAdvisor would take the
// cgroup for the sandbox's container, and the network that QEMU is in, the host's, for the pod's.
//
// kInvalidArgument: the path has neither form, or leads out of the hierarchy.
Result<CgroupPlace> PlaceInCgroups(std::string_view cgroups_path, std::string_view id);

// One mounted hierarchy: one of those with some controllers each (version 1), or the unified one
// (version 2).
struct CgroupMount {
  std::filesystem::path mount_point;
  bool unified = false;
  bool read_only = false;
  // Version 1 only. Also has "name=systemd", the name of a hierarchy without a controller.
  std::vector<std::string> controllers{};

  // Returns whether the hierarchy is one of version 1 with this controller.
  bool Has(std::string_view controller) const;
  bool operator==(const CgroupMount&) const = default;
};

// Returns the hierarchies in the text of /proc/self/mountinfo (proc(5)), in its order, each once.
// Other file systems and malformed lines are passed over.
std::vector<CgroupMount> ParseCgroupMounts(std::string_view mountinfo);

}  // namespace locket::runtime_shim
