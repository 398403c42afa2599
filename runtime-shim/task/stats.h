// Usage as containerd's interfaces carry it.
#pragma once

#include <google/protobuf/any.pb.h>

#include "runtime-shim/task/pod.h"

namespace locket::runtime_shim {

// io.containerd.cgroups.v1.Metrics or, where the host's cgroups are unified, those of v2.
google::protobuf::Any MetricsOf(const TaskUsage& task);

}  // namespace locket::runtime_shim
