// Where the host's cgroups are mounted, and where among them a pod's VM goes. Text in, values out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxCgroupsPath = 2048;

struct CgroupPlace {
  std::filesystem::path parent;  // the pod's cgroup, below each mount point; empty: the root
  std::string name;              // of ours in it
  bool operator==(const CgroupPlace&) const = default;
};

// `cgroups_path`: linux.cgroupsPath of an OCI spec, "/parent/id" or systemd's "slice:prefix:id",
// where slice a-b.slice lies in a.slice. The name holds no run of 64 characters of `id`: cAdvisor
// would take the cgroup for the sandbox's container, and the network of QEMU's namespace, which is
// the host's, for its network. kInvalidArgument: neither form, or a path that leads elsewhere.
Result<CgroupPlace> PlaceInCgroups(std::string_view cgroups_path, std::string_view id);

// One hierarchy: of controllers each (version 1), or the unified one (version 2).
struct CgroupMount {
  std::filesystem::path mount_point;
  bool unified = false;
  bool read_only = false;
  std::vector<std::string> controllers{};  // version 1 only; "name=systemd" is none, but is here

  bool Has(std::string_view controller) const;
  bool operator==(const CgroupMount&) const = default;
};

// From /proc/self/mountinfo (proc(5)), in its order, each hierarchy once. Other file systems and
// lines that are none of the kernel's are passed over.
std::vector<CgroupMount> ParseCgroupMounts(std::string_view mountinfo);

}  // namespace locket::runtime_shim
