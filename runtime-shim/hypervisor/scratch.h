// The disk that a pod's containers write to: a sparse file on the host, which holds only what the
// guest has encrypted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// The file has no name. It exists as long as somebody has it open: first this object, later the
// hypervisor. So nothing of it is left when the VM has ended, in whatever way.
struct ScratchFile {
  UniqueFd fd;  // keep it until the VM is launched: the hypervisor opens the file through it
  DiskSpec disk;
};

// Makes a disk of `mib` MiB in `directory`, which is made if it is missing. Returns nothing if
// `mib` is 0. kResourceExhausted: the file system has less room than that now. The file is sparse,
// so the room may still run out later: the guest's writes then fail.
Result<std::optional<ScratchFile>> MakeScratch(const std::filesystem::path& directory,
                                               uint32_t mib);

}  // namespace locket::runtime_shim
