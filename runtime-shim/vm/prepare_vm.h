// Everything that is made on the host for a pod's VM before it is launched, and the VM's
// description that follows from it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime-shim/config/config.h"
#include "runtime-shim/host/pod_cgroup.h"
#include "runtime-shim/host/pod_network.h"
#include "runtime-shim/host/resolv_conf.h"
#include "runtime-shim/hypervisor/guest_image.h"
#include "runtime-shim/hypervisor/scratch.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// A pod as containerd describes it, reduced to what its VM depends on.
struct PodSpec {
  std::string id;
  std::string hostname{};
  std::string initdata_base64{};        // the pod's annotation; empty: none
  std::filesystem::path netns{};        // the pod's network namespace; empty: it has none
  std::filesystem::path resolv_conf{};  // a file of the host; empty: none
  std::string cgroups_path{};           // linux.cgroupsPath; empty: none
  std::filesystem::path dir;            // the pod's state; made by PrepareVm
};

// What the host is to a VM, so that tests need neither QEMU nor KVM nor namespaces.
struct PodDependencies {
  Hypervisor& hypervisor;  // outlives all VMs
  // OpenPodNetwork; called only for pods with a network namespace.
  std::function<Result<PodNetwork>(const std::filesystem::path& netns, NetworkUse use)>
      open_network{};
  HostCgroups cgroups{};
};

// The parts of one VM. They are kept until the VM is launched; the cgroup stays for the VM's life.
struct Prepared {
  GuestImage image;
  Accelerator accelerator;
  // From initdata. Without any: no disk, zeros, no network.
  std::optional<DiskSpec> initdata_disk{};
  std::string host_data_hex;         // what the launch binds initdata to; 64 digits
  std::filesystem::path emulator{};  // the emulated TEE's program; empty: no TEE
  std::optional<ScratchFile> scratch{};
  PodNetwork network{};
  DnsConfig dns{};
  std::optional<PodCgroup> cgroup{};
};

// Makes the pod's state directory and everything in Prepared. On failure nothing but the state
// directory and what is recorded in it is left: RemoveSandboxState (process_record.h) removes both.
// kInvalidArgument: the pod's initdata or resolv.conf is malformed. kNotFound: a program that the
// configuration names is not installed. kFailedPrecondition: KVM or the pod's network cannot be had
// as demanded. kResourceExhausted: no room for the scratch disk.
Result<Prepared> PrepareVm(const Config& config, const PodSpec& pod,
                           const PodDependencies& dependencies);

// Returns the description of the VM, which borrows the taps of `prepared`.
VmSpec DescribeVm(const Config& config, const PodSpec& pod, const Prepared& prepared);

// Returns how much of the host's memory a VM takes with its guest's, in MiB.
uint64_t VmMemoryMib(const Config& config, const Hypervisor& hypervisor);

}  // namespace locket::runtime_shim
