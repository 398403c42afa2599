#include "runtime-shim/task/task.h"

#include <algorithm>
#include <csignal>
#include <future>

#include "base/log.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;

std::string Seconds(milliseconds span) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(span).count()) + " s";
}

std::string NameOf(const GuestProcess& id) {
  const std::string container = "container '" + id.container_id + "'";
  return id.exec_id.empty() ? container : "exec '" + id.exec_id + "' of " + container;
}

}  // namespace

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

Status Task::Signal(const GuestProcess& id, uint32_t signal, bool all, milliseconds limit) {
  const bool kill = signal == SIGKILL;
  const milliseconds time = std::min<milliseconds>(limit, kill ? kKillTime : kSignalTime);
  if (kill && state().status == TaskStatus::kRunning) ExpectEnd(time, NameOf(id));
  Status sent = vm->agent().SignalContainer(id, signal, all, time);
  if (sent.ok()) return sent;
  // Without its agent the VM ends, and with it what the signal was for, if that has not ended yet.
  if (sent.error().code() == ErrorCode::kUnavailable) return Ok();
  if (sent.error().code() != ErrorCode::kDeadlineExceeded) return sent;
  if (kill)
    vm->Fail("the guest did not take SIGKILL for " + NameOf(id) + " within " + Seconds(time));
  log::Warning("the guest has not taken a signal yet",
               {{"container", id.container_id}, {"exec", id.exec_id}, {"signal", signal}});
  return Ok();
}

void Task::ExpectEnd(milliseconds within, const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (executioner_.joinable()) return;
  executioner_ = std::jthread([this, within, what] {
    if (!WaitExit(within))
      vm->Fail(what + " did not end within " + Seconds(within) + " of SIGKILL");
  });
}

Status RemoveFromGuest(PodVm& vm, const GuestProcess& id, milliseconds limit) {
  const milliseconds busy = std::min<milliseconds>(limit / 3, kBusyTime);
  const auto end_if_silent = [&] {
    const auto answer = vm.agent().Greet(std::min<milliseconds>(busy, kAnswerTime));
    if (answer.ok() || answer.error().code() != ErrorCode::kDeadlineExceeded) return;
    vm.Fail("the guest did not remove " + NameOf(id) + " within " + Seconds(busy) +
            ", and answers nothing else");
  };
  auto removal =
      std::async(std::launch::async, [&] { return vm.agent().DeleteContainer(id, limit); });
  while (removal.wait_for(busy) != std::future_status::ready) end_if_silent();
  Status removed = removal.get();
  if (!removed.ok() && removed.error().code() == ErrorCode::kDeadlineExceeded) end_if_silent();
  return removed;
}

}  // namespace locket::runtime_shim
