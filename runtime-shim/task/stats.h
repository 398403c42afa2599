// Usage in the form of containerd's interfaces.
#pragma once

#include <google/protobuf/any.pb.h>

#include "runtime-shim/task/pod.h"

namespace locket::runtime_shim {

// Returns `task` as io.containerd.cgroups.v2.Metrics, or as v1's if it was counted in cgroups of
// version 1.
google::protobuf::Any MetricsOf(const TaskUsage& task);

}  // namespace locket::runtime_shim
