#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::guest_mounter {

// Returns mke2fs's argument vector for a file system that lives as long as the guest: no journal,
// no reserved blocks. `size_bytes`, the device's, decides the number of inodes.
std::vector<std::string> Ext4Command(const std::string& device, uint64_t size_bytes);

// Makes an empty ext4 on `device`, of which no sector may be readable before it is written (a
// dm-integrity device that was never formatted): both ends are zeroed first, where mke2fs and the
// kernel look for other file systems. Takes up to four minutes. kInternal: mke2fs failed; the
// message has its words.
Status MakeExt4(const std::string& device);

}  // namespace locket::guest_mounter
