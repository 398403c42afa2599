// The usage of a VM, divided among its containers: the host sees one process, and containerd asks
// for each container.
//
// Each running container gets an equal share. Values that add up (processor time, page faults, OOM
// kills) are divided as they grow: what was used since the last call goes in equal parts to those
// that run now, and stays theirs. So a container's value never goes back, and the values of a pod's
// containers add up to its VM's. Values of the moment (memory, processes) are divided again at each
// call, and a container that has ended has none.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/mutex.h"
#include "runtime-shim/host/cgroup_usage.h"

namespace locket::runtime_shim {

// Thread-safe.
class UsageShares {
 public:
  // Returns the share of container `id`. `whole`: what the VM used until now. `running`: the
  // containers that run now; if there are none, what was used is kept for the next that runs.
  CgroupUsage Of(const std::string& id, const CgroupUsage& whole,
                 const std::set<std::string>& running);
  // Forgets a container that was deleted.
  void Forget(const std::string& id);

 private:
  Mutex mutex_;
  CgroupUsage divided_ LOCKET_GUARDED_BY(mutex_);  // of what adds up
  std::map<std::string, CgroupUsage> shares_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::runtime_shim
