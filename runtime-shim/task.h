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
#include "runtime-shim/agent_client.h"
#include "runtime-shim/events.h"
#include "runtime-shim/pod_vm.h"
#include "runtime-shim/stdio.h"

namespace locket::runtime_shim {

// Exit status of what a dead VM took along: as if by SIGKILL.
inline constexpr uint32_t kKilledStatus = 137;
inline constexpr std::chrono::seconds kDrainTime{10};
inline constexpr std::chrono::seconds kAgentLetGoTime{5};  // for calls about what is deleted

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

 private:
  mutable std::mutex mutex_;
  std::condition_variable exited_;
  TaskState state_{.status = TaskStatus::kCreating, .pid = 0};
};

}  // namespace locket::runtime_shim
