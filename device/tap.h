// A tap: a network link whose other end is a descriptor.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::device {

// Makes a tap called `name` in the calling thread's network namespace and returns its descriptor.
// The link is down at first and goes with its last descriptor. Each frame has a virtio_net header
// before it. The kernel sends nothing on the link by itself. kNotFound: this machine has no tun
// device; the message says how to get it.
Result<UniqueFd> MakeTap(const std::string& name);

}  // namespace locket::device
