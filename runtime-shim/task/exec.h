// The execs of one pod: processes that containerd runs in its containers besides their first ones.
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

// Of a pod, until they are deleted. Each holds up to four of the agent's 512 calls at a time.
inline constexpr size_t kMaxExecs = 64;

// As containerd's ExecProcessRequest says.
struct ExecRequest {
  std::string container_id;
  std::string exec_id;
  StdioPaths stdio{};
  bool terminal = false;
  std::string process{};  // "process" of an OCI spec, JSON: for the guest, as it is
};

// Thread-safe. Errors: kNotFound for an unknown exec, kFailedPrecondition for a wrong state.
class Execs {
 public:
  // `call_timeout`: the most that one call to the guest may take.
  Execs(EventPublisher& events, std::chrono::milliseconds call_timeout)
      : events_(events), call_timeout_(call_timeout) {}
  Execs(const Execs&) = delete;
  Execs& operator=(const Execs&) = delete;

  // Asks the guest, which answers for its tenant. On failure there is no such exec. Where there
  // are kMaxExecs, the one that ended first is forgotten: containerd deletes what it knows of at
  // once, but forgets what ran while it was restarted.
  Status Add(const ExecRequest& request, std::shared_ptr<PodVm> vm);
  // The pid, of the VM: the only one the host has.
  Result<uint32_t> Start(const GuestProcess& id);
  Result<TaskState> State(const GuestProcess& id, ExecRequest* request) const;
  // Blocks until it exits, also before it is started.
  Result<TaskExit> Wait(const GuestProcess& id);
  // kNotFound: it has exited already.
  Status Kill(const GuestProcess& id, uint32_t signal);
  // Of one that does not run. Output that waits for its reader is given kDrainTime.
  Result<TaskState> Delete(const GuestProcess& id);
  Status CloseInput(const GuestProcess& id);
  Status Resize(const GuestProcess& id, const TerminalSize& size);

  // All have ended: their VM has.
  void EndAll();
  // For the deletion of a container: its streams give up, before the guest deletes it, and all is
  // forgotten, after that.
  void StopStreams(const std::string& container_id);
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
  // What has to be forgotten before another can be added.
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
