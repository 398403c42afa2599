// Whether KVM works here. That /dev/kvm exists does not prove it: some nested hypervisors provide
// one under which a stock kernel never comes up. So the guest's kernel is booted once under KVM,
// and the result is kept in a file for as long as the host runs.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "runtime-shim/config/config.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// The result of one try.
struct KvmProof {
  bool works;
  std::string reason;  // in words, either way
};
using KvmProbe = std::function<KvmProof()>;

// Returns what to run guests with. kTcg is taken as it is; the other choices depend on the proof in
// `state_dir`/accelerator.json, if it was made for `key` (ProbeKey), or else on `probe`, whose
// result is then kept there. A file that cannot be read or written costs another probe.
// kFailedPrecondition: KVM is demanded and does not work; the message says why not.
Result<Accelerator> ChooseAccelerator(AcceleratorChoice choice,
                                      const std::filesystem::path& state_dir,
                                      const std::string& key, const KvmProbe& probe);

// Returns a text that is the same as long as a proof holds: for this boot of this host, with this
// QEMU and this kernel.
std::string ProbeKey(const std::filesystem::path& qemu, const std::filesystem::path& kernel);

// Boots `kernel` under KVM, without an initramfs. KVM works if the kernel comes up within
// `timeout`, so far that it misses its root file system. Blocks until that is known; no process is
// left.
KvmProof ProbeKvm(const std::filesystem::path& qemu, const std::filesystem::path& kernel,
                  const std::filesystem::path& kvm_device, std::chrono::milliseconds timeout);

inline constexpr std::chrono::seconds kProbeTimeout{15};

}  // namespace locket::runtime_shim
