// NetworkControl by rtnetlink.
#pragma once

#include <memory>

#include "device/network_control.h"

namespace locket::device {

// Of the calling thread's network namespace, whichever thread calls afterwards. Not thread-safe.
Result<std::unique_ptr<NetworkControl>> OpenKernelNetworkControl();

}  // namespace locket::device
