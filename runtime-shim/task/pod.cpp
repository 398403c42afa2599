#include "runtime-shim/task/pod.h"

#include <csignal>
#include <set>
#include <utility>

#include "base/log.h"
#include "runtime-shim/hypervisor/process_record.h"
#include "runtime-shim/vm/guest_text.h"
#include "runtime-shim/vm/sealed_rootfs.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr milliseconds kShutdownGrace{5000};
constexpr milliseconds kKillGrace{1000};

Error NoTask(const std::string& id) {
  return {ErrorCode::kNotFound, "task '" + id + "' does not exist"};
}
Error WrongState(const std::string& id, const std::string& why) {
  return {ErrorCode::kFailedPrecondition, "task '" + id + "' " + why};
}

}  // namespace

Pod::Pod(const Config& config, PodDependencies dependencies, EventPublisher& events)
    : config_(config),
      dependencies_(std::move(dependencies)),
      events_(events),
      execs_(events, config.call_timeout) {}

Pod::~Pod() { Abort("the shim ends"); }

Result<uint32_t> Pod::Create(const CreateRequest& request) {
  LOCKET_TRY_ASSIGN(const auto config_json, ReadBundleConfig(request.bundle));
  LOCKET_TRY_ASSIGN(const auto spec, ParseBundleSpec(config_json));
  if (spec.kind == ContainerKind::kSingle) {
    return Error(
        ErrorCode::kInvalidArgument,
        "container '" + request.id +
            "' belongs to no pod: this runtime runs pods of the "
            "container runtime interface (kubelet, crictl, locket pod), not single containers");
  }
  const auto task = std::make_shared<Task>(request, spec.kind == ContainerKind::kSandbox);
  const MutexLock operation(task->operation);
  {
    const MutexLock lock(mutex_);
    if (!tasks_.emplace(request.id, task).second) {
      return Error(ErrorCode::kAlreadyExists, "task '" + request.id + "' exists already");
    }
  }
  const Status created =
      task->is_sandbox ? CreateSandbox(*task, spec) : CreateContainer(*task, spec, config_json);
  if (!created.ok()) {
    // Calls that wait for the task must not wait for ever.
    (void)task->SetExit({.status = kKilledStatus, .at = system_clock::now()});
    const MutexLock lock(mutex_);
    tasks_.erase(request.id);
    return created.error();
  }
  const uint32_t pid = task->vm->pid();
  // Events before states, so that no exit can be published before them.
  events_.Created({.id = request.id,
                   .bundle = request.bundle.string(),
                   .in = request.stdio.in,
                   .out = request.stdio.out,
                   .err = request.stdio.err,
                   .terminal = request.terminal,
                   .pid = pid});
  task->Advance(TaskStatus::kCreated, pid);
  // A VM that died before this task was created found nothing to end.
  if (task->vm->dead()) Exit(*task, kKilledStatus, system_clock::now());
  return pid;
}

Status Pod::CreateSandbox(Task& task, const BundleSpec& spec) {
  if (vm() != nullptr) return WrongState(task.request.id, "would be the second sandbox of the pod");
  const auto dir = config_.state_dir / task.request.id;
  auto booted = PodVm::Boot(config_,
                            {.id = task.request.id,
                             .hostname = spec.hostname,
                             .initdata_base64 = spec.initdata_base64,
                             .netns = spec.netns,
                             .resolv_conf = spec.resolv_conf,
                             .cgroups_path = spec.cgroups_path,
                             .dir = dir},
                            dependencies_, [this](const std::string& why) { OnVmDead(why); });
  if (!booted.ok()) {
    const auto removed = RemoveSandboxState(dir, kKillGrace);
    if (!removed.ok()) log::Warning("leaving state of a failed VM", {log::Field(removed.error())});
    return booted.error();
  }
  task.vm = std::move(booted).value();
  {
    const MutexLock lock(mutex_);
    vm_ = task.vm;
  }
  return Ok();
}

Status Pod::CreateContainer(Task& task, const BundleSpec& spec, const std::string& config_json) {
  task.vm = vm();
  if (task.vm == nullptr) return WrongState(task.request.id, "has no running pod to join");
  if (task.vm->dead()) {
    return Error(ErrorCode::kUnavailable, "the pod's VM is gone: " + task.vm->WaitDead());
  }
  LOCKET_TRY_ASSIGN(const auto rootfs,
                    LoadSealedRootfs(task.request.rootfs_options, spec.image_name));
  LOCKET_TRY_ASSIGN(task.stdio, Stdio::Open(task.request.stdio));
  const auto filled = FillContainer(task, rootfs, config_json);
  if (filled.ok()) return Ok();
  UndoContainer(task);
  // The agent's connection ends with the VM, and a moment before anybody knows of its end.
  const bool gone = filled.error().code() == ErrorCode::kUnavailable &&
                    task.vm->DiesWithin(std::chrono::seconds(1));
  if (!gone) return filled;
  return Error(ErrorCode::kUnavailable, "the pod's VM is gone: " + task.vm->WaitDead());
}

Status Pod::FillContainer(Task& task, const SealedRootfs& rootfs, const std::string& config_json) {
  const std::string& id = task.request.id;
  AgentClient& agent = task.vm->agent();
  LOCKET_TRY_ASSIGN(task.layers, task.vm->AcquireLayers(rootfs.layers, config_.direct_io));
  LOCKET_TRY(agent
                 .PrepareRootfs({.container_id = id,
                                 .image_ref = rootfs.image_ref,
                                 .manifest = rootfs.manifest,
                                 .config = rootfs.config,
                                 .signatures = rootfs.signatures,
                                 .layers = task.layers},
                                config_.prepare_timeout)
                 .While("open image '" + rootfs.image_ref + "' in the guest"));
  LOCKET_TRY_ASSIGN(const auto left_out,
                    agent
                        .CreateContainer({.id = id,
                                          .oci_spec = config_json,
                                          .with_stdin = !task.request.stdio.in.empty(),
                                          .terminal = task.request.terminal})
                        .While("create container '" + id + "' in the guest"));
  if (!left_out.empty()) {
    log::Warning("the guest runs a container without all that its spec asks for",
                 {{"container", id}, {"left_out", LeftOutText(left_out)}});
  }
  task.stdio->Start(agent, {id}, task.request.terminal);
  return Ok();
}

void Pod::UndoContainer(Task& task) {
  const auto undone = RemoveFromGuest(*task.vm, {task.request.id}, config_.call_timeout);
  if (!undone.ok() && !task.vm->dead()) {
    log::Warning("cannot undo a container in the guest; leaving its layers attached",
                 {{"container", task.request.id}, log::Field(undone.error())});
    return;
  }
  task.vm->ReleaseLayers(std::exchange(task.layers, {}));
}

Result<uint32_t> Pod::Start(const std::string& id) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  const MutexLock operation(task->operation);
  if (task->state().status != TaskStatus::kCreated) return WrongState(id, "is not just created");
  if (!task->is_sandbox) LOCKET_TRY(task->vm->agent().StartContainer({id}));
  const uint32_t pid = task->vm->pid();
  events_.Started(id, pid);
  task->Advance(TaskStatus::kRunning, pid);
  if (!task->is_sandbox) task->waiter = std::jthread([this, &t = *task] { WatchContainer(t); });
  return pid;
}

void Pod::WatchContainer(Task& task) {
  const std::string& id = task.request.id;
  const auto exit = task.vm->agent().WaitContainer({id});
  task.stdio->EndInput();
  if (exit.ok()) {
    if (exit->oom_killed) events_.OutOfMemory(id);
    Exit(task, exit->status, exit->exited_at);
    return;
  }
  if (task.state().exit) return;  // OnVmDead or Delete was first
  // Without the agent there is no container; OnVmDead says so for all of them.
  task.vm->Fail("the agent cannot say how container '" + id + "' ended: " + exit.error().message());
}

void Pod::Exit(Task& task, uint32_t status, TimePoint at) {
  const MutexLock lock(exits_);
  if (!task.SetExit({.status = status, .at = at})) return;
  events_.Exited(task.request.id, task.state().pid, status, at);
}

void Pod::OnVmDead(const std::string& why) {
  log::Info("VM is gone", {{"why", why}});
  // Under the lock throughout: this thread is the VM's own and must not be the last to hold a task,
  // and with it the VM.
  const MutexLock lock(mutex_);
  for (const auto& [id, task] : tasks_) {
    const TaskState state = task->state();
    if (state.exit || state.status == TaskStatus::kCreating) continue;
    log::Info("task ends with its VM", {{"task", id}, {"status", kKilledStatus}});
    if (!task->is_sandbox && task->vm->out_of_memory()) events_.OutOfMemory(id);
    Exit(*task, kKilledStatus, system_clock::now());
  }
  execs_.EndAll();
}

Result<TaskState> Pod::State(const std::string& id) const {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  return task->state();
}

Result<CreateRequest> Pod::Request(const std::string& id) const {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  return task->request;
}

Result<TaskUsage> Pod::Usage(const std::string& id) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  std::set<std::string> running;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, other] : tasks_) {
      const bool runs = other->state().status == TaskStatus::kRunning;
      if (runs && !other->is_sandbox) running.insert(name);
    }
  }
  // A task that is being created has no VM yet, and one that could not be will have none.
  if (task->state().status == TaskStatus::kCreating || task->vm == nullptr) return TaskUsage{};
  const auto usage = task->vm->Usage();
  if (!usage) return TaskUsage{};
  return TaskUsage{.usage = task->is_sandbox ? *usage : shares_.Of(id, *usage, running),
                   .unified = task->vm->in_unified_cgroup()};
}

Result<TaskExit> Pod::Wait(const std::string& id) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  return task->WaitExit();
}

Status Pod::Kill(const std::string& id, uint32_t signal, bool all) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  const TaskState state = task->state();
  if (state.status == TaskStatus::kCreating) return WrongState(id, "is still being created");
  if (state.status == TaskStatus::kStopped) {
    return Error(ErrorCode::kNotFound, "process of task '" + id + "' has already finished");
  }
  if (!task->is_sandbox) return task->Signal({id}, signal, all, config_.call_timeout);
  log::Info("stopping the VM on request", {{"pod", id}, {"signal", signal}});
  task->vm->Stop(signal == SIGKILL ? milliseconds(0) : kShutdownGrace);
  return Ok();
}

Result<TaskState> Pod::Delete(const std::string& id) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  const MutexLock operation(task->operation);
  {
    // Somebody else may have deleted it while this call waited.
    LOCKET_TRY_ASSIGN(const auto still, Find(id));
    if (still != task) return NoTask(id);
  }
  if (task->state().status == TaskStatus::kRunning) return WrongState(id, "is running");
  task->is_sandbox ? DeleteSandbox(*task) : DeleteContainer(*task);
  {
    const MutexLock lock(mutex_);
    tasks_.erase(id);
  }
  const MutexLock after_its_exit(exits_);
  (void)task->SetExit({.status = kKilledStatus, .at = system_clock::now()});
  const TaskState state = task->state();
  events_.Deleted(id, state.pid, state.exit->status, state.exit->at);
  return state;
}

void Pod::DeleteSandbox(Task& task) {
  task.vm->Stop(milliseconds(0));
  (void)task.vm->WaitDead();
  {
    const MutexLock lock(mutex_);
    vm_.reset();
  }
  const auto removed = RemoveSandboxState(config_.state_dir / task.request.id, kKillGrace);
  if (!removed.ok()) log::Warning("leaving state of an ended VM", {log::Field(removed.error())});
}

void Pod::DeleteContainer(Task& task) {
  const bool stopped = task.state().status == TaskStatus::kStopped;
  if (stopped && !task.stdio->WaitDrained(kDrainTime)) {
    log::Warning("nobody reads a container's output; dropping the rest",
                 {{"container", task.request.id}});
  }
  task.stdio->Stop();
  execs_.StopStreams(task.request.id);
  UndoContainer(task);
  execs_.Forget(task.request.id);
  shares_.Forget(task.request.id);
  if (!task.stdio->WaitEnded(kAgentLetGoTime) && !task.vm->dead()) {
    task.vm->Fail("the agent still serves streams of container '" + task.request.id +
                  "', which is deleted");
  }
  if (task.waiter.joinable()) task.waiter.join();
}

Status Pod::CloseInput(const std::string& id) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  const MutexLock operation(task->operation);
  if (task->stdio != nullptr) task->stdio->CloseInput();
  return Ok();
}

Status Pod::Resize(const std::string& id, const TerminalSize& size) {
  LOCKET_TRY_ASSIGN(const auto task, Find(id));
  if (task->is_sandbox || !task->request.terminal) return Ok();
  return task->vm->agent().ResizeTerminal({id}, size);
}

Status Pod::AddExec(const ExecRequest& request) {
  LOCKET_TRY_ASSIGN(const auto task, Find(request.container_id));
  if (task->is_sandbox) return WrongState(request.container_id, "is a sandbox: nothing runs in it");
  const TaskStatus status = task->state().status;
  if (status != TaskStatus::kRunning) {
    return WrongState(request.container_id, status == TaskStatus::kStopped
                                                ? "has ended: nothing can be run in it any more"
                                                : "does not run: nothing can be run in it");
  }
  return execs_.Add(request, task->vm);
}

bool Pod::empty() const {
  const MutexLock lock(mutex_);
  return tasks_.empty();
}

void Pod::Abort(const std::string& why) {
  const auto running = vm();
  if (running == nullptr) return;
  running->Fail(why);
  (void)running->WaitDead();
}

Result<std::shared_ptr<Task>> Pod::Find(const std::string& id) const {
  const MutexLock lock(mutex_);
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return NoTask(id);
  return found->second;
}

std::shared_ptr<PodVm> Pod::vm() const {
  const MutexLock lock(mutex_);
  return vm_;
}

}  // namespace locket::runtime_shim
