#include "guest-agent/process/fake_container_runtime.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "guest-agent/process/exit_notices.h"

namespace locket::guest_agent {

namespace {

// Gives `process` (a Container or a FakeExec) its streams, and answers the terminal's master.
template <typename Process>
UniqueFd Connect(Process& process, const ProcessStreams& streams) {
  if (!streams.terminal) {
    process.stdin_fd.reset(::dup(streams.stdin_fd));
    process.stdout_fd.reset(::dup(streams.stdout_fd));
    process.stderr_fd.reset(::dup(streams.stderr_fd));
    return UniqueFd();
  }
  UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) return UniqueFd();
  process.stdin_fd.reset(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  process.stdout_fd.reset(::dup(process.stdin_fd.get()));
  process.stderr_fd.reset(::dup(process.stdin_fd.get()));
  return master;
}

template <typename Process>
void Disconnect(Process& process) {
  process.stdin_fd.reset();
  process.stdout_fd.reset();
  process.stderr_fd.reset();
}

}  // namespace

void FakeContainerRuntime::Report(pid_t pid, int wait_status) {
  const ExitRecord record{.pid = pid, .wait_status = wait_status};
  (void)WriteFull(exit_records_.get(), std::as_bytes(std::span(&record, 1)));
}

void FakeContainerRuntime::End(const std::string& id, int wait_status) {
  Container& container = containers_.at(id);
  if (std::exchange(container.ended, true)) return;
  for (auto& [name, exec] : execs_) {
    if (exec.container_id == id) EndExec(name, SIGKILL);
  }
  Disconnect(container);
  Report(container.pid, wait_status);
}

void FakeContainerRuntime::EndExec(const std::string& name, int wait_status) {
  FakeExec& exec = execs_.at(name);
  if (std::exchange(exec.ended, true)) return;
  Disconnect(exec);
  Report(exec.pid, wait_status);
}

Result<FakeContainerRuntime::Container*> FakeContainerRuntime::Get(const std::string& id) {
  if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
  const auto it = containers_.find(id);
  if (it == containers_.end()) {
    return Error(ErrorCode::kNotFound, "container '" + id + "' does not exist");
  }
  return &it->second;
}

Result<StartedProcess> FakeContainerRuntime::Create(const CreateOptions& options) {
  if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
  LOCKET_TRY_ASSIGN(auto config, ReadFile(options.bundle / "config.json", 1 << 20));
  Container made{.pid = next_pid_++, .config = std::move(config)};
  UniqueFd terminal = Connect(made, options.streams);
  const pid_t pid = made.pid;
  const std::lock_guard lock(mutex_);
  if (!containers_.try_emplace(options.id, std::move(made)).second) {
    return Error(ErrorCode::kAlreadyExists, "container '" + options.id + "' exists");
  }
  return StartedProcess{.pid = pid, .terminal = std::move(terminal)};
}

Status FakeContainerRuntime::Start(const std::string& id) {
  LOCKET_TRY_ASSIGN(Container * container, Get(id));
  container->started = true;
  return Ok();
}

Status FakeContainerRuntime::Kill(const std::string& id, int signal, bool all) {
  LOCKET_TRY_ASSIGN(Container * container, Get(id));
  container->signals.emplace_back(signal, all);
  if (signal == SIGKILL) End(id, SIGKILL);
  return Ok();
}

Result<StartedProcess> FakeContainerRuntime::Exec(const ExecOptions& options) {
  LOCKET_TRY_ASSIGN(Container * container, Get(options.container_id));
  if (!container->started || container->ended) {
    return Error(ErrorCode::kNotFound, "container '" + options.container_id + "' is not running");
  }
  LOCKET_TRY_ASSIGN(auto process, ReadFile(options.directory / kExecProcessFile, 1 << 20));
  FakeExec made{
      .pid = next_pid_++, .container_id = options.container_id, .process = std::move(process)};
  UniqueFd terminal = Connect(made, options.streams);
  const pid_t pid = made.pid;
  execs_.insert_or_assign(options.directory.filename().string(), std::move(made));
  return StartedProcess{.pid = pid, .terminal = std::move(terminal)};
}

Status FakeContainerRuntime::KillExec(const std::string& container_id, pid_t pid, int signal) {
  LOCKET_TRY(Get(container_id));
  for (auto& [name, exec] : execs_) {
    if (exec.pid != pid || exec.ended) continue;
    exec.signals.push_back(signal);
    if (signal == SIGKILL) EndExec(name, SIGKILL);
    return Ok();
  }
  return Error(ErrorCode::kNotFound, "no such process");
}

Result<bool> FakeContainerRuntime::OomKilled(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto it = containers_.find(id);
  if (it == containers_.end()) return Error(ErrorCode::kNotFound, "no such container");
  return it->second.oom_killed;
}

Status FakeContainerRuntime::Delete(const std::string& id) {
  if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
  const std::lock_guard lock(mutex_);
  if (!containers_.contains(id)) return Ok();
  End(id, SIGKILL);
  std::erase_if(execs_, [&](const auto& exec) { return exec.second.container_id == id; });
  containers_.erase(id);
  return Ok();
}

}  // namespace locket::guest_agent
