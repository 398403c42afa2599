// The VM of one pod: booted with its agent, its layers as disks, its relay, and its one death.
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
#include "runtime-shim/host/pod_network.h"
#include "runtime-shim/hypervisor/accelerator.h"
#include "runtime-shim/hypervisor/console_log.h"
#include "runtime-shim/hypervisor/vmm.h"
#include "runtime-shim/vm/agent_client.h"
#include "runtime-shim/vm/relay.h"
#include "runtime-shim/vm/sealed_rootfs.h"

namespace locket::runtime_shim {

struct PodSpec {
  std::string id;
  std::string hostname{};
  std::string initdata_base64{};  // the pod's annotation; empty: none
  std::filesystem::path netns{};  // the pod's network namespace; empty: it has none
  std::filesystem::path resolv_conf{};
  std::string cgroups_path{};  // linux.cgroupsPath; empty: none
  std::filesystem::path dir;   // state; made by Boot
};

// What the VM is made with, so that tests need neither QEMU nor KVM.
struct PodDependencies {
  VmLauncher launch;
  std::function<KvmProof(const std::filesystem::path& qemu, const std::filesystem::path& kernel)>
      probe_kvm;
  // OpenPodNetwork; called only for pods with a network namespace.
  std::function<Result<PodNetwork>(const std::filesystem::path& netns, NetworkUse use)>
      open_network{};
  HostCgroups cgroups{};
};

// Thread-safe.
class PodVm {
 public:
  // Boots and waits for the agent. `on_dead` runs once, on a thread of the PodVm, when the VM is
  // gone for whatever reason, unless Boot failed; it may not destroy the PodVm. On failure no
  // process is left, and the error holds the end of the guest's console. The cgroup stays until
  // RemoveSandboxState.
  static Result<std::unique_ptr<PodVm>> Boot(const Config& config, const PodSpec& pod,
                                             const PodDependencies& dependencies,
                                             std::function<void(const std::string& why)> on_dead);
  PodVm(const PodVm&) = delete;
  PodVm& operator=(const PodVm&) = delete;
  ~PodVm();  // kills it

  AgentClient& agent() { return *agent_; }
  uint32_t pid() const;

  // Makes each layer a disk of the VM unless it is one, and counts the use. A layer that is there
  // twice is one disk. On failure nothing is counted. The serial numbers, in order: each is a
  // disk's for one time that it is plugged in, and no other's in the life of the VM.
  Result<std::vector<LayerHint>> AcquireLayers(std::span<const LayerFile> layers, bool direct_io);
  // Takes a use back; disks nobody uses are unplugged.
  void ReleaseLayers(std::span<const LayerHint> layers);
  size_t attached_layers() const;

  // Declares the VM broken and ends it. The first reason is kept.
  void Fail(const std::string& why);

  // Asks the agent to end everything and power off, and kills the VM once `grace` is over.
  void Stop(std::chrono::milliseconds grace);

  bool dead() const;
  // Whether the host's kernel killed it for its cgroup's memory limit. Settled before `on_dead`.
  bool out_of_memory() const;
  // What it took of the host; nothing if it has no cgroup of its own.
  std::optional<CgroupUsage> Usage() const;
  bool in_unified_cgroup() const { return cgroup_ && cgroup_->unified(); }
  // Blocks until the VM is gone and `on_dead` has returned, and says why.
  std::string WaitDead();
  // Blocks for at most `limit`. Returns whether the VM is gone and `on_dead` has returned.
  // For callers whose connection to the agent has ended: that is seen a moment before the VM's end.
  bool DiesWithin(std::chrono::milliseconds limit);

 private:
  struct Disk {
    std::string id;
    int uses;
  };

  PodVm(std::unique_ptr<Vmm> vmm, std::optional<PodCgroup> cgroup, uint32_t memory_mib,
        std::function<void(const std::string&)> on_dead);
  Status Connect(const Config& config, const PodSpec& pod, const SandboxRequest& sandbox);
  void Watch();
  Status AcquireOne(const LayerFile& layer, bool direct_io) LOCKET_REQUIRES(disks_mutex_);
  void ReleaseOne(const std::string& digest) LOCKET_REQUIRES(disks_mutex_);
  void FailIfSilent(const Error& error);

  const std::unique_ptr<Vmm> vmm_;
  const std::optional<PodCgroup> cgroup_;
  const uint32_t memory_mib_;
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
