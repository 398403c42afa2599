#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::guest_mounter {

// mke2fs's arguments for a file system that lives as long as the guest. Pure.
std::vector<std::string> Ext4Command(const std::string& device, uint64_t size_bytes);

// An empty ext4 on `device`, which may be one whose sectors read only once they were written.
Status MakeExt4(const std::string& device);

}  // namespace locket::guest_mounter
