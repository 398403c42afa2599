// One task of containerd: the pod's sandbox or a container in it. Its state, and its one exit.
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

// Exit status of what a dead VM took along: as if by SIGKILL.
inline constexpr uint32_t kKilledStatus = 137;
inline constexpr std::chrono::seconds kDrainTime{10};
inline constexpr std::chrono::seconds kAgentLetGoTime{5};  // for calls about what is deleted
// What a guest is given at most, or config's call_timeout if that is less, before its VM is ended:
// a guest that answers nothing must not keep its pod from being stopped and removed.
inline constexpr std::chrono::seconds kKillTime{10};  // from SIGKILL to the process's end
// For forgetting a process, until the guest is asked whether it answers anything; and for that. A
// third of config's call_timeout if that is less.
inline constexpr std::chrono::seconds kBusyTime{20};
inline constexpr std::chrono::seconds kAnswerTime{10};
// For taking any other signal. The caller's grace period, and then SIGKILL, come after it.
inline constexpr std::chrono::seconds kSignalTime{1};

enum class TaskStatus { kCreating, kCreated, kRunning, kStopped };

struct TaskExit {
  uint32_t status;
  TimePoint at;
};

// As containerd's CreateTaskRequest says.
struct CreateRequest {
  std::string id;
  std::filesystem::path bundle;
  StdioPaths stdio{};
  bool terminal = false;
  std::vector<std::string> rootfs_options{};  // of all mounts
};

struct TaskState {
  TaskStatus status;
  uint32_t pid;
  std::optional<TaskExit> exit{};
};

// Thread-safe where it says so; the rest is for whoever holds `operation`.
class Task {
 public:
  Task(CreateRequest asked, bool sandbox) : request(std::move(asked)), is_sandbox(sandbox) {}

  const CreateRequest request;
  const bool is_sandbox;

  Mutex operation;  // held by Create, Start and Delete, which exclude each other

  // What the container holds on to. The VM is shared: pumps of a container that is not deleted yet
  // use its agent after the sandbox's own task is gone.
  std::shared_ptr<PodVm> vm{};
  std::vector<LayerHint> layers{};
  std::unique_ptr<Stdio> stdio{};
  std::jthread waiter{};  // last: it uses the rest

  // Thread-safe from here on.
  TaskState state() const;
  // Creating to created, with the pid; created to running. Not out of stopped.
  void Advance(TaskStatus status, uint32_t pid);
  // False if it had exited before: the first exit counts.
  bool SetExit(TaskExit exit);
  TaskExit WaitExit();
  // Whether it exited, waiting up to `timeout`.
  bool WaitExit(std::chrono::milliseconds timeout);

  // Hands a signal to the guest, for a task that is running or created. One that is not taken in
  // time is no error, as it may be taken yet, and neither is one for a VM that is ending. SIGKILL
  // is not asked for but done: if it has not ended what runs within the lesser of `limit` and
  // kKillTime, the VM is ended.
  Status Signal(const GuestProcess& id, uint32_t signal, bool all, std::chrono::milliseconds limit);

 private:
  void ExpectEnd(std::chrono::milliseconds within, const std::string& what);

  mutable std::mutex mutex_;
  std::condition_variable exited_;
  TaskState state_{.status = TaskStatus::kCreating, .pid = 0};
  std::jthread executioner_;  // last: it uses the rest
};

// Lets the guest forget the process, and waits for that up to `limit`. While it takes time the
// guest is asked for its version, over and over: one that does not answer that either loses its VM,
// one that is merely busy keeps it. kDeadlineExceeded: it is busy with it still, and may finish
// later. Any other error is the guest's refusal, or kUnavailable of a VM that is gone.
Status RemoveFromGuest(PodVm& vm, const GuestProcess& id, std::chrono::milliseconds limit);

}  // namespace locket::runtime_shim
