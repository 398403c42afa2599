// One task of containerd: the pod's sandbox or a container in it. Its state and its exit, of which
// there is one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "runtime-shim/task/events.h"
#include "runtime-shim/task/stdio.h"
#include "runtime-shim/vm/agent_client.h"
#include "runtime-shim/vm/pod_vm.h"

namespace locket::runtime_shim {

// Exit status of a task whose VM ended before it: as if SIGKILL had ended it.
inline constexpr uint32_t kKilledStatus = 137;
// How long a task that is deleted waits for its client to read the last output.
inline constexpr std::chrono::seconds kDrainTime{10};
// How long the agent may take, after it deleted a process, to end the other calls about that
// process.
inline constexpr std::chrono::seconds kAgentLetGoTime{5};

// Limits for a guest, after which its VM is ended: a guest that does not answer must not keep its
// pod from being stopped and removed (docs/decisions/0033-what-a-guest-may-keep-waiting.md). Each
// is shortened by config's call_timeout if that is less.
//
// From SIGKILL to the end of the process.
inline constexpr std::chrono::seconds kKillTime{10};
// How long a guest may work on the removal of a process before it is asked whether it answers at
// all; a third of call_timeout if that is less. Then, how long it may take to answer that.
inline constexpr std::chrono::seconds kBusyTime{20};
inline constexpr std::chrono::seconds kAnswerTime{10};
// How long Signal waits for the guest to take a signal other than SIGKILL. No VM is ended for it:
// callers follow up with SIGKILL after their own grace period.
inline constexpr std::chrono::seconds kSignalTime{1};

// In this order; kStopped is final. kCreating goes to kStopped if the task could not be created.
enum class TaskStatus { kCreating, kCreated, kRunning, kStopped };

struct TaskExit {
  uint32_t status;  // 128 + signal for a death by signal
  TimePoint at;
};

// What a task is created from: containerd's CreateTaskRequest.
struct CreateRequest {
  std::string id;
  std::filesystem::path bundle;
  StdioPaths stdio{};
  bool terminal = false;
  std::vector<std::string> rootfs_options{};  // mount options of all rootfs mounts together
};

struct TaskState {
  TaskStatus status;
  uint32_t pid;  // the hypervisor's; 0 while the task is being created
  std::optional<TaskExit> exit{};
};

// The fields from `vm` to `waiter` belong to the thread that holds `operation`. The methods are
// thread-safe.
class Task {
 public:
  Task(CreateRequest asked, bool sandbox) : request(std::move(asked)), is_sandbox(sandbox) {}

  const CreateRequest request;
  const bool is_sandbox;

  Mutex operation;  // held by Create, Start and Delete, which exclude each other

  // What the task uses until it is deleted. The VM is shared: the pumps of a container that is not
  // deleted yet use its agent after the sandbox's task is gone.
  std::shared_ptr<PodVm> vm{};
  std::vector<LayerHint> layers{};
  std::unique_ptr<Stdio> stdio{};
  std::jthread waiter{};  // last: it uses the rest

  TaskState state() const;
  // Sets the process ID, and the status unless the task has stopped already.
  void Advance(TaskStatus status, uint32_t pid);
  // Stops the task. Returns false, and changes nothing, if the task had exited before.
  bool SetExit(TaskExit exit);
  // Blocks until the task has exited. Returns its exit.
  TaskExit WaitExit();
  // Blocks for at most `timeout`. Returns whether the task has exited.
  bool WaitExit(std::chrono::milliseconds timeout);

  // Sends a signal to a process of the guest, for a task that is created or running. Returns when
  // the guest has taken it, or after the lesser of `limit` and kSignalTime (for SIGKILL:
  // kKillTime). Succeeds if the guest has not taken it by then, as it may take it later, and if the
  // VM is ending. For SIGKILL it also ends the VM if the process has not ended by the same time.
  // Other errors are the guest's refusal. kNotFound: the process has ended.
  Status Signal(const GuestProcess& id, uint32_t signal, bool all, std::chrono::milliseconds limit);

 private:
  void ExpectEnd(std::chrono::milliseconds within, const std::string& what);

  mutable std::mutex mutex_;
  std::condition_variable exited_;
  TaskState state_{.status = TaskStatus::kCreating, .pid = 0};
  std::jthread executioner_;  // last: it uses the rest
};

// Has the guest remove a process, and waits up to `limit` for it. While the guest works on it, it
// is asked for its version every kBusyTime: if it does not answer that within kAnswerTime either,
// its VM is ended; a guest that is merely busy keeps its VM. kDeadlineExceeded: the guest still
// works on it, and may finish later. kUnavailable: the VM is gone. Other errors are the guest's
// refusal.
Status RemoveFromGuest(PodVm& vm, const GuestProcess& id, std::chrono::milliseconds limit);

}  // namespace locket::runtime_shim
