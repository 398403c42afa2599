// The tasks of one pod: what containerd asks of the shim, in our words. No wire formats here.
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
  bool unified = false;  // of the host's cgroups, version 2
};

// Thread-safe. Errors: kNotFound for an unknown ID, kFailedPrecondition for a wrong state.
class Pod {
 public:
  Pod(const Config& config, PodDependencies dependencies, EventPublisher& events);
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;
  ~Pod();  // kills the VM

  // A sandbox boots the VM; a container joins it. On failure there is no such task, and nothing of
  // it stays in the VM. The pid.
  Result<uint32_t> Create(const CreateRequest& request);
  Result<uint32_t> Start(const std::string& id);
  Result<TaskState> State(const std::string& id, CreateRequest* request = nullptr) const;
  // What it took of the host: a sandbox its VM's cgroup, a container its share of that. All zeros
  // without a cgroup.
  Result<TaskUsage> Usage(const std::string& id);
  // Blocks until it exits.
  Result<TaskExit> Wait(const std::string& id);
  // kNotFound: it has exited already.
  Status Kill(const std::string& id, uint32_t signal, bool all);
  // A created or stopped task. Output that waits for its reader is given kDrainTime.
  Result<TaskState> Delete(const std::string& id);
  Status CloseInput(const std::string& id);
  // Without effect on what has no terminal: clients send it unasked and take a refusal badly.
  Status Resize(const std::string& id, const TerminalSize& size);
  // In a container that runs. From then on execs() knows it, until the container is deleted.
  Status AddExec(const ExecRequest& request);
  Execs& execs() { return execs_; }
  bool empty() const;

  // Kills the VM and waits until every task has exited.
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
