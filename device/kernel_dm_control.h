#pragma once

#include <memory>

#include "device/dm_control.h"

namespace locket::device {

// The kernel's device mapper through /dev/mapper/control. Nodes are devtmpfs's /dev/dm-N: neither
// udev nor libdevmapper takes part (docs/decisions/0002-dm-tables.md). Thread-safe.
Result<std::unique_ptr<DmControl>> OpenKernelDmControl();

}  // namespace locket::device
