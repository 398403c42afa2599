// KVM or TCG. That /dev/kvm exists proves nothing (nested hypervisors hand out one on which a stock
// kernel never gets anywhere), so `auto` boots the guest's kernel once and remembers what came of
// it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "runtime-shim/config/config.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

struct KvmProof {
  bool works;
  std::string reason;  // in words, either way
};
using KvmProbe = std::function<KvmProof()>;

// `key` says for which machine, boot, QEMU and kernel a remembered proof counts; the proof lives in
// `state_dir`/accelerator.json. kFailedPrecondition: KVM is demanded and does not work.
Result<Accelerator> ChooseAccelerator(AcceleratorChoice choice,
                                      const std::filesystem::path& state_dir,
                                      const std::string& key, const KvmProbe& probe);

// This boot of this machine with this QEMU and this kernel.
std::string ProbeKey(const std::filesystem::path& qemu, const std::filesystem::path& kernel);

// Boots `kernel` without an initramfs under KVM: it works if the kernel gets as far as missing its
// root file system within `timeout`.
KvmProof ProbeKvm(const std::filesystem::path& qemu, const std::filesystem::path& kernel,
                  const std::filesystem::path& kvm_device, std::chrono::milliseconds timeout);

inline constexpr std::chrono::seconds kProbeTimeout{15};

}  // namespace locket::runtime_shim
