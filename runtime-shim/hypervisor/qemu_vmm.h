// Vmm by QEMU: unix sockets for the channels, QMP for the disks.
#pragma once

#include <chrono>
#include <memory>

#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// A VmLauncher. `timeout` covers the time until QEMU (and the emulator) answers its control socket,
// and each QMP command after that. Writes the process record (process_record.h) in `spec.dir`. The
// error holds what QEMU printed.
Result<std::unique_ptr<Vmm>> LaunchQemu(const VmSpec& spec, std::chrono::milliseconds timeout);

}  // namespace locket::runtime_shim
