// The execs of one pod: processes that containerd adds to running containers ("kubectl exec").
//
// An exec is added, started, exits and is deleted. Its exit is set and published once, after its
// start; it comes at the latest with the end of its container or of the VM.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "runtime-shim/task/events.h"
#include "runtime-shim/task/task.h"
#include "runtime-shim/vm/pod_vm.h"

namespace locket::runtime_shim {

// How many execs a pod may have that are not deleted. Each may use four of the 512 calls that the
// agent takes at a time.
inline constexpr size_t kMaxExecs = 64;

// As containerd's ExecProcessRequest says.
struct ExecRequest {
  std::string container_id;
  std::string exec_id;
  StdioPaths stdio{};
  bool terminal = false;
  std::string process{};  // "process" of an OCI spec, JSON; the guest gets it as it is
};

// Thread-safe. Errors: kNotFound for an unknown exec, kFailedPrecondition for a wrong state.
class Execs {
 public:
  // `events` outlives the object. `call_timeout`: the longest that one call to the guest may take.
  Execs(EventPublisher& events, std::chrono::milliseconds call_timeout)
      : events_(events), call_timeout_(call_timeout) {}
  Execs(const Execs&) = delete;
  Execs& operator=(const Execs&) = delete;

  // Adds an exec to a container of `vm`. The guest decides whether its tenant allows it. If there
  // are kMaxExecs, the one that ended first is forgotten: containerd deletes the execs that it
  // knows at once, but after a restart it no longer knows some. On failure there is no such exec.
  // kAlreadyExists: the container has one of this name. kResourceExhausted: kMaxExecs run.
  // kPermissionDenied: the guest refuses. kInvalidArgument: the process is larger than 3 MiB.
  Status Add(const ExecRequest& request, std::shared_ptr<PodVm> vm);
  // Starts an exec. Returns the process ID of the hypervisor, which is the only one on the host.
  Result<uint32_t> Start(const GuestProcess& id);
  Result<TaskState> State(const GuestProcess& id) const;
  // Returns what the exec was added with.
  Result<ExecRequest> Request(const GuestProcess& id) const;
  // Blocks until the exec exits. May be called before it is started. Returns how it exited.
  Result<TaskExit> Wait(const GuestProcess& id);
  // Sends a signal, as Task::Signal. kNotFound: the exec has exited already.
  Status Kill(const GuestProcess& id, uint32_t signal);
  // Deletes an exec that does not run, and returns its last state. Waits up to kDrainTime for the
  // client to read the output that is left; then the rest is lost.
  Result<TaskState> Delete(const GuestProcess& id);
  Status CloseInput(const GuestProcess& id);
  Status Resize(const GuestProcess& id, const TerminalSize& size);

  // The VM has ended: sets and publishes the exit of all that have none yet.
  void EndAll();
  // Two steps of the deletion of a container. Before the guest deletes it: the streams of its execs
  // stop, so that no call to the agent waits for them.
  void StopStreams(const std::string& container_id);
  // After the guest deleted it: its execs are forgotten.
  void Forget(const std::string& container_id);

 private:
  struct Exec {
    Exec(ExecRequest asked)
        : request(std::move(asked)),
          process({.id = request.exec_id, .bundle = {}}, /*sandbox=*/false) {}
    const ExecRequest request;
    Task process;
  };
  using Key = std::pair<std::string, std::string>;  // container, exec

  Result<std::shared_ptr<Exec>> Find(const GuestProcess& id) const;
  std::vector<std::shared_ptr<Exec>> Of(const std::string& container_id) const;
  Status Reserve(const Key& key, const std::shared_ptr<Exec>& exec);
  void Erase(const Key& key);
  // The exec to forget before another one can be added; none while there is room.
  std::optional<GuestProcess> OldestInTheWay() const;
  Status Started(Exec& exec);
  void Watch(Exec& exec);
  void Exit(Exec& exec, uint32_t status, TimePoint at);
  void LetGo(Exec& exec);

  EventPublisher& events_;
  const std::chrono::milliseconds call_timeout_;

  Mutex
      exits_;  // held while a start or an exit is set and its event queued: events keep their order

  mutable Mutex mutex_;
  // Shared with calls that wait for one while another deletes it.
  std::map<Key, std::shared_ptr<Exec>> execs_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::runtime_shim
