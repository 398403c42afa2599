#include "runtime-shim/task.h"

namespace locket::runtime_shim {

TaskState Task::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Task::Advance(TaskStatus status, uint32_t pid) {
  const std::lock_guard lock(mutex_);
  state_.pid = pid;
  if (state_.status != TaskStatus::kStopped) state_.status = status;
}

bool Task::SetExit(TaskExit exit) {
  const std::lock_guard lock(mutex_);
  if (state_.exit) return false;
  state_.exit = exit;
  state_.status = TaskStatus::kStopped;
  exited_.notify_all();
  return true;
}

TaskExit Task::WaitExit() {
  std::unique_lock lock(mutex_);
  exited_.wait(lock, [&] { return state_.exit.has_value(); });
  return *state_.exit;
}

bool Task::WaitExit(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return exited_.wait_for(lock, timeout, [&] { return state_.exit.has_value(); });
}

}  // namespace locket::runtime_shim
