// A VM's usage, divided among its containers: the host sees one process, and containerd asks for
// each container.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/mutex.h"
#include "runtime-shim/host/cgroup_usage.h"

namespace locket::runtime_shim {

// Equal shares for those that run. What adds up (processor time, page faults) since the last call
// is theirs, so the shares of a pod's containers add up to its VM's, and none ever goes back; what
// is (memory, processes) is theirs now, and nothing of it is one's that has ended. Thread-safe.
class UsageShares {
 public:
  // The share of `id`. `running`: the containers that run; with none of them what was taken waits
  // for the next.
  CgroupUsage Of(const std::string& id, const CgroupUsage& whole,
                 const std::set<std::string>& running);
  void Forget(const std::string& id);

 private:
  Mutex mutex_;
  CgroupUsage divided_ LOCKET_GUARDED_BY(mutex_);  // of what adds up
  std::map<std::string, CgroupUsage> shares_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::runtime_shim
