// The ttrpc service containerd.task.v2.Task (proto/task.proto): translates containerd's messages to
// calls of a Pod and its answers back. It keeps no state.
//
// Where containerd's interface leaves a choice: every process ID that it reports is the
// hypervisor's, Pids lists that one only, Stats is the share of the VM's cgroup, and the calls that
// a VM cannot fulfil (Pause, Resume, Checkpoint, Update) are refused with kUnimplemented.
#pragma once

#include <functional>

#include "rpc/ttrpc_server.h"
#include "runtime-shim/task/pod.h"

namespace locket::runtime_shim {

// Adds the service's methods to `methods`. `pod` outlives the server that uses them. Methods run on
// the server's threads, several at a time. `on_shutdown` is called on one of them when containerd
// asks the shim to end and the pod has no task; it must not wait for the answer to that call.
void AddTaskService(rpc::TtrpcMethods& methods, Pod& pod, std::function<void()> on_shutdown);

}  // namespace locket::runtime_shim
