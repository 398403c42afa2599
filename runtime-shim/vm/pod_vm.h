// The VM of one pod: booted with its agent, its layers as disks, its relay, until its end.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "runtime-shim/config/config.h"
#include "runtime-shim/host/pod_cgroup.h"
#include "runtime-shim/hypervisor/console_log.h"
#include "runtime-shim/hypervisor/vmm.h"
#include "runtime-shim/vm/agent_client.h"
#include "runtime-shim/vm/prepare_vm.h"
#include "runtime-shim/vm/relay.h"
#include "runtime-shim/vm/sealed_rootfs.h"

namespace locket::runtime_shim {

// A pod's VM. A PodVm exists from a successful Boot on and goes through these states, each once:
//
//   booted   the agent answers; disks and calls of the agent are possible;
//   ending   Fail or Stop was called, or a first sign of an end was noticed: the VM may still run;
//   dead     the VM is gone and the reason is known: `dead` is true, `out_of_memory` is final;
//   told     `on_dead` has returned: WaitDead and DiesWithin return.
//
// The VM can end by itself at any time: its guest powers off or panics, its hypervisor crashes or
// is killed, the agent's channel ends. Each of these is noticed on a thread of the PodVm, and leads
// to "told" without any call. The reason that is reported has up to three parts: that the host's
// kernel killed the VM for its memory, if so; what was noticed first, if anything; and how the
// hypervisor ended:
//
//   "Kernel panic - not syncing: Attempted to kill init!; QEMU exited with status 0"
//
// One container's life with it:
//
//   auto vm = PodVm::Boot(config, pod, dependencies, [](const std::string& why) { ... });
//   auto hints = vm->AcquireLayers(layers, direct_io);     // disks, shared between containers
//   vm->agent().PrepareRootfs({..., .layers = hints}, timeout);
//   ...
//   vm->agent().DeleteContainer(id, timeout);              // first the guest lets go of the disks
//   vm->ReleaseLayers(hints);
//   vm->Stop(grace);
//   log(vm->WaitDead());
//
// Thread-safe.
class PodVm {
 public:
  // Boots a VM and waits until its agent answers and has accepted the pod. The arguments are read
  // during the call only, but what `dependencies` refers to outlives the PodVm.
  //
  // `on_dead` runs once, on a thread of the PodVm, when the VM is gone for whatever reason, with
  // that reason. It may run before Boot has returned. It must not destroy the PodVm, and must not
  // call WaitDead or DiesWithin, which wait for its own end.
  //
  // On failure no process is left and `on_dead` is not called. The pod's state directory and cgroup
  // stay until RemoveSandboxState (process_record.h). The error holds the end of the guest's
  // console, if the guest was started. kDeadlineExceeded: the agent did not answer within
  // boot_timeout. kUnavailable: the VM ended; the message has the reason. Other errors are those of
  // PrepareVm and Hypervisor::Launch, and the agent's refusal of the pod.
  static Result<std::unique_ptr<PodVm>> Boot(const Config& config, const PodSpec& pod,
                                             const PodDependencies& dependencies,
                                             std::function<void(const std::string& why)> on_dead);
  PodVm(const PodVm&) = delete;
  PodVm& operator=(const PodVm&) = delete;
  // Kills the VM unless it is dead, and waits for the end of `on_dead`.
  ~PodVm();

  // Returns the client of the guest's agent, which lives as long as the PodVm. Its calls fail with
  // kUnavailable once the VM ends.
  AgentClient& agent() { return *agent_; }
  // Returns Vmm::pid. containerd is told that this is the pod's process.
  uint32_t pid() const;

  // Makes each layer a disk of the VM unless it is one already, and counts one use of each. A layer
  // that is listed twice is one disk with two uses. Returns digest and serial number of each
  // layer's disk, in the order of `layers`. A layer that is unplugged and plugged in again gets
  // another serial number, because the guest has to tell the new disk from the one that is leaving.
  // On failure no use is counted, and disks that nobody else uses are unplugged. Errors as
  // Vmm::AttachDisk. After kDeadlineExceeded, from a hypervisor that does not answer, Fail has been
  // called.
  Result<std::vector<LayerHint>> AcquireLayers(std::span<const LayerFile> layers, bool direct_io);
  // Takes one use of each layer back, and unplugs the disks that have no use left. The guest lets
  // go of the disks first (DeleteContainer). A layer that is not plugged in is passed over. A disk
  // that cannot be unplugged is logged and stays in the VM, where no container gets it any more.
  void ReleaseLayers(std::span<const LayerHint> layers);

  // Declares the VM broken and begins to end it; does not wait. `why` is what is reported as
  // noticed first, unless something was noticed earlier.
  void Fail(const std::string& why);

  // Asks the agent to end all containers and to power off, and waits up to `grace` until the VM is
  // dead. If it is not, or the agent refuses, begins to kill the VM and returns: WaitDead waits.
  void Stop(std::chrono::milliseconds grace);

  // Returns whether the VM is gone. `on_dead` may not have returned yet.
  bool dead() const;
  // Returns true if the host's kernel killed a process of the VM because its memory ran out: by a
  // limit of its cgroup or of one above, or the host's memory. False until the VM is dead, and for
  // a VM without a cgroup of its own.
  bool out_of_memory() const;
  // Returns what the VM takes of the host, or std::nullopt if it has no cgroup of its own.
  std::optional<CgroupUsage> Usage() const;
  // Returns true if the VM has a cgroup of its own and the host has cgroups of version 2 alone.
  bool in_unified_cgroup() const { return cgroup_ && cgroup_->unified(); }
  // Blocks until the VM is gone and `on_dead` has returned. Returns the reason.
  std::string WaitDead();
  // Blocks until the VM is gone and `on_dead` has returned, for at most `limit`. Returns false if
  // `limit` came first. For callers whose connection to the agent has ended: that is seen a moment
  // before the VM's end.
  bool DiesWithin(std::chrono::milliseconds limit);

 private:
  struct Disk {
    std::string id;
    std::string serial;
    int uses;
  };

  PodVm(const Config& config, const Hypervisor& hypervisor, std::unique_ptr<Vmm> vmm,
        std::optional<PodCgroup> cgroup, std::function<void(const std::string&)> on_dead);
  Status Connect(const Config& config, const PodSpec& pod, const SandboxRequest& sandbox);
  Error WhyNotBooted(const Config& config, const PodSpec& pod, Error error);
  void Watch();
  Status AcquireOne(const LayerFile& layer, bool direct_io) LOCKET_REQUIRES(disks_mutex_);
  void ReleaseOne(const std::string& digest) LOCKET_REQUIRES(disks_mutex_);
  void FailIfSilent(const Error& error);

  const std::string hypervisor_;  // its name
  const std::unique_ptr<Vmm> vmm_;
  const std::optional<PodCgroup> cgroup_;
  const uint32_t memory_mib_;      // of the guest
  const uint64_t all_memory_mib_;  // and of the hypervisor
  std::function<void(const std::string&)> on_dead_;

  mutable Mutex disks_mutex_;
  std::map<std::string, Disk> disks_ LOCKET_GUARDED_BY(disks_mutex_);  // by digest
  uint64_t next_disk_ LOCKET_GUARDED_BY(disks_mutex_) = 0;

  mutable std::mutex mutex_;  // guards what follows; a std::mutex for the condition variable's sake
  std::condition_variable died_;
  bool booted_ = false;               // from then on `on_dead_` is told
  std::string failure_;               // why it was ended; empty: by itself
  std::optional<std::string> death_;  // set once it is gone
  bool out_of_memory_ = false;
  bool told_ = false;  // `on_dead_` has returned, or is not to be told

  // Members die in reverse: first the watcher ends, then what talks to the VM, then the VM.
  std::unique_ptr<ConsoleLog> console_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<AgentClient> agent_;
  std::jthread watcher_;
};

}  // namespace locket::runtime_shim
