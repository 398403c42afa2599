// A tap: a network link whose other end is a descriptor.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::device {

// In the calling thread's network namespace, down, and gone with its last descriptor; each frame
// has a virtio_net header before it. The kernel says nothing on it by itself. kNotFound: no tun
// device on this machine, and how to get it.
Result<UniqueFd> MakeTap(const std::string& name);

}  // namespace locket::device
