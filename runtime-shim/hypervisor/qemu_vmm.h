// QEMU as the hypervisor: unix sockets for the channels, QMP for the disks.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string_view>

#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

struct QemuOptions {
  std::filesystem::path program;    // looked up in PATH unless it has a slash
  std::filesystem::path state_dir;  // where it is remembered whether KVM works
  // Limits the time from the start of QEMU (and of the emulator) until QEMU answers on its control
  // socket, and the time of each QMP command after that.
  std::chrono::milliseconds call_timeout;
};

class QemuHypervisor final : public Hypervisor {
 public:
  explicit QemuHypervisor(QemuOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "QEMU"; }
  uint32_t overhead_mib() const override;
  Result<Accelerator> ChooseAccelerator(AcceleratorChoice choice,
                                        const std::filesystem::path& kernel) override;
  Result<std::unique_ptr<Vmm>> Launch(const VmSpec& spec) override;

 private:
  const QemuOptions options_;
};

}  // namespace locket::runtime_shim
