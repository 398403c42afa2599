// The tasks of one pod: what containerd asks of the shim, without its wire formats.
//
// A task is one container as containerd sees it. The pod's first task is its sandbox: to create it
// is to boot the VM, and its end is the VM's end. Every other task is a container in that VM.
//
//   Create(sandbox)  boots the VM                     Start(sandbox)   changes the state only
//   Create("app")    opens the image, runs crun       Start("app")     the program runs
//   Kill("app", 15)  the guest gets the signal        Wait("app")      returns its exit
//   Delete("app")    the guest forgets it, its layers leave the VM if nobody else uses them
//   Kill(sandbox)    ends the VM                      Delete(sandbox)  removes the pod's state
//
// A VM that ends by itself ends every task with status kKilledStatus and a logged reason. The exit
// of a task is set once and published once; the first one counts.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "runtime-shim/config/config.h"
#include "runtime-shim/task/bundle.h"
#include "runtime-shim/task/events.h"
#include "runtime-shim/task/exec.h"
#include "runtime-shim/task/task.h"
#include "runtime-shim/task/usage_shares.h"
#include "runtime-shim/vm/pod_vm.h"

namespace locket::runtime_shim {

struct TaskUsage {
  CgroupUsage usage{};
  bool unified = false;  // counted in a cgroup of version 2
};

// Thread-safe: containerd calls several methods at a time. Create, Start and Delete of one task
// wait for each other. Errors of all methods that take an ID: kNotFound, there is no such task;
// kFailedPrecondition, the task is in another state than the call needs; kUnavailable, the VM has
// ended.
class Pod {
 public:
  // `config` and `events` outlive the object.
  Pod(const Config& config, PodDependencies dependencies, EventPublisher& events);
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;
  ~Pod();  // kills the VM

  // Creates a task: the sandbox, which boots the VM, or a container, which joins it. Returns the
  // process ID of the hypervisor; containerd takes it for the task's. On failure there is no such
  // task, and nothing of it stays in the VM. kAlreadyExists: there is a task with this ID.
  // kInvalidArgument: the bundle is malformed, or belongs to no pod. Else as PodVm::Boot,
  // LoadSealedRootfs, PodVm::AcquireLayers, and the guest's refusal.
  Result<uint32_t> Create(const CreateRequest& request);
  // Starts a task that was created. Returns the process ID as Create does.
  Result<uint32_t> Start(const std::string& id);
  Result<TaskState> State(const std::string& id) const;
  // Returns what the task was created with.
  Result<CreateRequest> Request(const std::string& id) const;
  // Returns what the task uses of the host: for a sandbox the usage of the VM's cgroup, for a
  // container its share of that (usage_shares.h). All zeros if the VM has no cgroup of its own.
  Result<TaskUsage> Usage(const std::string& id);
  // Blocks until the task exits. Returns how it exited.
  Result<TaskExit> Wait(const std::string& id);
  // Sends a signal to a container, as Task::Signal does. Any signal to a sandbox ends the VM:
  // SIGKILL at once, others after the guest had 5 s to end its containers. kNotFound: the task has
  // exited already.
  Status Kill(const std::string& id, uint32_t signal, bool all);
  // Deletes a task that does not run, and returns its last state. Waits up to kDrainTime for the
  // client to read the output that is left; then the rest is lost.
  Result<TaskState> Delete(const std::string& id);
  // Ends the input of a container: what the client has written still reaches it, then end of file.
  Status CloseInput(const std::string& id);
  // Sets the size of a container's terminal. Succeeds without effect for a task that has no
  // terminal: clients send sizes for any task, and some give up when they get an error.
  Status Resize(const std::string& id, const TerminalSize& size);
  // Adds an exec to a container that runs. execs() has it from then on, until it is deleted or its
  // container is. Errors also as Execs::Add.
  Status AddExec(const ExecRequest& request);
  Execs& execs() { return execs_; }
  // Returns whether there is no task, so that the shim may end.
  bool empty() const;

  // Kills the VM and waits until every task has exited. `why`: the reason that is logged.
  void Abort(const std::string& why);

 private:
  Result<std::shared_ptr<Task>> Find(const std::string& id) const;
  Status CreateSandbox(Task& task, const BundleSpec& spec);
  Status CreateContainer(Task& task, const BundleSpec& spec, const std::string& config_json);
  Status FillContainer(Task& task, const SealedRootfs& rootfs, const std::string& config_json);
  void UndoContainer(Task& task);
  void DeleteSandbox(Task& task);
  void DeleteContainer(Task& task);
  void WatchContainer(Task& task);
  void Exit(Task& task, uint32_t status, TimePoint at);
  void OnVmDead(const std::string& why);
  std::shared_ptr<PodVm> vm() const;

  const Config& config_;
  const PodDependencies dependencies_;
  EventPublisher& events_;
  Execs execs_;
  UsageShares shares_;

  Mutex exits_;  // held while an exit is set and its event queued, so that events keep their order

  mutable Mutex mutex_;
  // Shared with calls that wait for a task while another one deletes it.
  std::map<std::string, std::shared_ptr<Task>> tasks_ LOCKET_GUARDED_BY(mutex_);
  std::shared_ptr<PodVm> vm_ LOCKET_GUARDED_BY(mutex_);  // null: not booted, or deleted
};

}  // namespace locket::runtime_shim
