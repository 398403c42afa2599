// The disk that a pod's containers write to: a sparse file of the host's, which holds only what the
// guest has encrypted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// No name leads to the file: once QEMU has opened it, it is gone with QEMU, whoever dies how.
struct ScratchFile {
  UniqueFd fd;  // keep it until the VM is launched: QEMU finds the file through it
  DiskSpec disk;
};

// A disk of `mib` MiB in `directory`, which is made; nothing for 0. kResourceExhausted: the file
// system has less room than that.
Result<std::optional<ScratchFile>> MakeScratch(const std::filesystem::path& directory,
                                               uint32_t mib);

}  // namespace locket::runtime_shim
