#include "runtime-shim/task/exec.h"

#include <chrono>

#include "base/log.h"
#include "runtime-shim/task/bundle.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::system_clock;

std::string Quoted(const std::string& container_id, const std::string& exec_id) {
  return "exec '" + exec_id + "' of task '" + container_id + "'";
}

Error WrongState(const GuestProcess& id, const std::string& why) {
  return {ErrorCode::kFailedPrecondition, Quoted(id.container_id, id.exec_id) + " " + why};
}

}  // namespace

Status Execs::Reserve(const Key& key, const std::shared_ptr<Exec>& exec) {
  const MutexLock lock(mutex_);
  if (execs_.size() >= kMaxExecs) {
    return Error(ErrorCode::kResourceExhausted,
                 "the pod has " + std::to_string(kMaxExecs) + " execs already");
  }
  if (execs_.emplace(key, exec).second) return Ok();
  return Error(ErrorCode::kAlreadyExists, Quoted(key.first, key.second) + " exists already");
}

void Execs::Erase(const Key& key) {
  const MutexLock lock(mutex_);
  execs_.erase(key);
}

Status Execs::Add(const ExecRequest& request, std::shared_ptr<PodVm> vm) {
  if (request.process.size() > kMaxSpecBytes) {
    return Error(ErrorCode::kInvalidArgument, "the process of an exec is larger than 3 MiB");
  }
  if (const auto oldest = OldestInTheWay()) {
    log::Warning("forgetting an exec that ended and that nobody deleted",
                 {{"container", oldest->container_id}, {"exec", oldest->exec_id}});
    (void)Delete(*oldest);
  }
  const auto exec = std::make_shared<Exec>(request);
  const Key key(request.container_id, request.exec_id);
  const MutexLock operation(exec->process.operation);
  LOCKET_TRY(Reserve(key, exec));
  exec->process.vm = std::move(vm);
  const auto create = [&]() -> Status {
    LOCKET_TRY_ASSIGN(exec->process.stdio, Stdio::Open(request.stdio));
    return exec->process.vm->agent()
        .CreateExec({.id = {request.container_id, request.exec_id},
                     .process = request.process,
                     .with_stdin = !request.stdio.in.empty()})
        .While("exec in container '" + request.container_id + "'");
  };
  Status created = create();
  if (!created.ok()) {
    // The guest may have made it, or may do so yet.
    if (created.error().code() == ErrorCode::kDeadlineExceeded) {
      (void)RemoveFromGuest(*exec->process.vm, {request.container_id, request.exec_id},
                            call_timeout_);
    }
    (void)exec->process.SetExit({.status = kKilledStatus, .at = system_clock::now()});
    Erase(key);
    return created;
  }
  events_.ExecAdded(request.container_id, request.exec_id);
  exec->process.Advance(TaskStatus::kCreated, 0);
  // A VM that died before this found nothing to end.
  if (exec->process.vm->dead()) Exit(*exec, kKilledStatus, system_clock::now());
  return Ok();
}

Result<uint32_t> Execs::Start(const GuestProcess& id) {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  Task& process = exec->process;
  const MutexLock operation(process.operation);
  if (process.state().status != TaskStatus::kCreated) return WrongState(id, "is not just created");
  AgentClient& agent = process.vm->agent();
  LOCKET_TRY(agent.StartContainer(id).While("exec in container '" + id.container_id + "'"));
  LOCKET_TRY(Started(*exec));
  process.stdio->Start(agent, id, exec->request.terminal);
  process.waiter = std::jthread([this, &e = *exec] { Watch(e); });
  return process.state().pid;
}

Status Execs::Started(Exec& exec) {
  const MutexLock lock(exits_);
  const ExecRequest& request = exec.request;
  if (exec.process.state().exit) {  // EndAll was faster
    return Error(ErrorCode::kUnavailable, "the pod's VM is gone");
  }
  const uint32_t pid = exec.process.vm->pid();
  events_.ExecStarted(request.container_id, request.exec_id, pid);
  exec.process.Advance(TaskStatus::kRunning, pid);
  return Ok();
}

void Execs::Watch(Exec& exec) {
  const auto exit =
      exec.process.vm->agent().WaitContainer({exec.request.container_id, exec.request.exec_id});
  exec.process.stdio->EndInput();
  if (exit.ok()) {
    Exit(exec, exit->status, exit->exited_at);
  } else {
    // The agent, or the container, is gone, and the exec with it.
    Exit(exec, kKilledStatus, system_clock::now());
  }
}

void Execs::Exit(Exec& exec, uint32_t status, TimePoint at) {
  const MutexLock lock(exits_);
  const bool ran = exec.process.state().status == TaskStatus::kRunning;
  if (!exec.process.SetExit({.status = status, .at = at}) || !ran) return;
  events_.ExecExited(exec.request.container_id, exec.request.exec_id,
                     {.pid = exec.process.state().pid, .status = status, .at = at});
}

Result<TaskState> Execs::State(const GuestProcess& id) const {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  return exec->process.state();
}

Result<ExecRequest> Execs::Request(const GuestProcess& id) const {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  return exec->request;
}

Result<TaskExit> Execs::Wait(const GuestProcess& id) {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  return exec->process.WaitExit();
}

Status Execs::Kill(const GuestProcess& id, uint32_t signal) {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  const TaskStatus status = exec->process.state().status;
  if (status == TaskStatus::kStopped) {
    return Error(ErrorCode::kNotFound,
                 Quoted(id.container_id, id.exec_id) + " has already finished");
  }
  if (status != TaskStatus::kRunning) return WrongState(id, "is not started");
  return exec->process.Signal(id, signal, /*all=*/false, call_timeout_);
}

Result<TaskState> Execs::Delete(const GuestProcess& id) {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  Task& process = exec->process;
  const MutexLock operation(process.operation);
  if (process.state().status == TaskStatus::kRunning) return WrongState(id, "is running");
  LOCKET_TRY(Find(id));  // somebody else may have deleted it while this call waited
  const bool started = process.waiter.joinable();
  if (started && !process.stdio->WaitDrained(kDrainTime)) {
    log::Warning("nobody reads an exec's output; dropping the rest",
                 {{"container", id.container_id}, {"exec", id.exec_id}});
  }
  process.stdio->Stop();
  const Status deleted = RemoveFromGuest(*process.vm, id, call_timeout_);
  if (!deleted.ok() && !process.vm->dead()) {
    log::Warning("leaving an exec in the guest", {log::Field(deleted.error())});
  }
  if (started) LetGo(*exec);
  (void)process.SetExit({.status = kKilledStatus, .at = system_clock::now()});
  Erase({id.container_id, id.exec_id});
  return process.state();
}

// Once nothing of it is in the guest any more.
void Execs::LetGo(Exec& exec) {
  Task& process = exec.process;
  if (!process.stdio->WaitEnded(kAgentLetGoTime) && !process.vm->dead()) {
    process.vm->Fail("the agent still serves streams of " +
                     Quoted(exec.request.container_id, exec.request.exec_id) +
                     ", which is deleted");
  }
  if (process.waiter.joinable()) process.waiter.join();
}

Status Execs::CloseInput(const GuestProcess& id) {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  const MutexLock operation(exec->process.operation);
  if (exec->process.stdio != nullptr) exec->process.stdio->CloseInput();
  return Ok();
}

Status Execs::Resize(const GuestProcess& id, const TerminalSize& size) {
  LOCKET_TRY_ASSIGN(const auto exec, Find(id));
  if (!exec->request.terminal) return Ok();  // as for a container: clients send it unasked
  return exec->process.vm->agent().ResizeTerminal(id, size);
}

void Execs::EndAll() {
  // Under the lock throughout: this thread is the VM's own and must not be the last to hold an
  // exec, and with it the VM.
  const MutexLock lock(mutex_);
  for (const auto& [key, exec] : execs_) {
    if (exec->process.state().status == TaskStatus::kCreating) continue;
    Exit(*exec, kKilledStatus, system_clock::now());
  }
}

void Execs::StopStreams(const std::string& container_id) {
  for (const auto& exec : Of(container_id)) {
    const MutexLock operation(exec->process.operation);
    if (exec->process.stdio != nullptr) exec->process.stdio->Stop();
  }
}

void Execs::Forget(const std::string& container_id) {
  for (const auto& exec : Of(container_id)) {
    const MutexLock operation(exec->process.operation);
    if (exec->process.waiter.joinable()) LetGo(*exec);
    Exit(*exec, kKilledStatus, system_clock::now());
    Erase({container_id, exec->request.exec_id});
  }
}

Result<std::shared_ptr<Execs::Exec>> Execs::Find(const GuestProcess& id) const {
  const MutexLock lock(mutex_);
  const auto found = execs_.find({id.container_id, id.exec_id});
  if (found != execs_.end()) return found->second;
  return Error(ErrorCode::kNotFound, Quoted(id.container_id, id.exec_id) + " does not exist");
}

std::optional<GuestProcess> Execs::OldestInTheWay() const {
  const MutexLock lock(mutex_);
  std::optional<std::pair<TimePoint, Key>> oldest;
  for (const auto& [key, exec] : execs_) {
    const auto exit = exec->process.state().exit;
    if (exit && (!oldest || exit->at < oldest->first)) oldest.emplace(exit->at, key);
  }
  if (!oldest || execs_.size() < kMaxExecs) return std::nullopt;
  return GuestProcess{.container_id = oldest->second.first, .exec_id = oldest->second.second};
}

std::vector<std::shared_ptr<Execs::Exec>> Execs::Of(const std::string& container_id) const {
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Exec>> found;
  for (const auto& [key, exec] : execs_) {
    if (key.first == container_id) found.push_back(exec);
  }
  return found;
}

}  // namespace locket::runtime_shim
