#include "guest-agent/fake_container_runtime.h"

#include <unistd.h>

#include <csignal>

#include "guest-agent/exit_notices.h"

namespace locket::guest_agent {

void FakeContainerRuntime::End(const std::string& id, int wait_status) {
  Container& container = containers_.at(id);
  if (std::exchange(container.ended, true)) return;
  container.stdin_fd.reset();
  container.stdout_fd.reset();
  container.stderr_fd.reset();
  const ExitRecord record{.pid = container.pid, .wait_status = wait_status};
  (void)WriteFull(exit_records_.get(), std::as_bytes(std::span(&record, 1)));
}

Result<FakeContainerRuntime::Container*> FakeContainerRuntime::Get(const std::string& id) {
  if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
  const auto it = containers_.find(id);
  if (it == containers_.end()) {
    return Error(ErrorCode::kNotFound, "container '" + id + "' does not exist");
  }
  return &it->second;
}

Result<pid_t> FakeContainerRuntime::Create(const CreateOptions& options) {
  if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
  LOCKET_TRY_ASSIGN(auto config, ReadFile(options.bundle / "config.json", 1 << 20));
  Container made{.pid = next_pid_++, .config = std::move(config)};
  made.stdin_fd.reset(::dup(options.stdin_fd));
  made.stdout_fd.reset(::dup(options.stdout_fd));
  made.stderr_fd.reset(::dup(options.stderr_fd));
  const pid_t pid = made.pid;
  if (!containers_.try_emplace(options.id, std::move(made)).second) {
    return Error(ErrorCode::kAlreadyExists, "container '" + options.id + "' exists");
  }
  return pid;
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

Result<std::vector<pid_t>> FakeContainerRuntime::Processes(const std::string& id) {
  LOCKET_TRY_ASSIGN(Container * container, Get(id));
  return std::vector<pid_t>{container->pid};
}

Status FakeContainerRuntime::Delete(const std::string& id) {
  if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
  if (!containers_.contains(id)) return Ok();
  End(id, SIGKILL);
  containers_.erase(id);
  return Ok();
}

}  // namespace locket::guest_agent
