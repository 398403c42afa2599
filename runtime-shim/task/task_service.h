// containerd.task.v2.Task: the wire side of a Pod.
#pragma once

#include <functional>

#include "rpc/ttrpc_server.h"
#include "runtime-shim/task/pod.h"

namespace locket::runtime_shim {

// Adds all methods. `pod` must outlive `methods`' use. `on_shutdown` is called when containerd
// wants the shim to end and no task is left.
void AddTaskService(rpc::TtrpcMethods& methods, Pod& pod, std::function<void()> on_shutdown);

}  // namespace locket::runtime_shim
