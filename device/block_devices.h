// The seam at block device discovery. All of it is the host's word: a serial says which disk to
// try, never what is on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace locket::device {

struct BlockDevice {
  std::string path;  // "/dev/sda"
  uint64_t size_bytes;

  bool operator==(const BlockDevice&) const = default;
};

class BlockDevices {
 public:
  virtual ~BlockDevices() = default;

  // The disk whose serial is `serial` now; if several claim it, the first by name.
  virtual Result<std::optional<BlockDevice>> Find(std::string_view serial) = 0;

  // Returns when the set of disks may have changed, or after `at_most`.
  virtual void AwaitChange(std::chrono::milliseconds at_most) = 0;
};

// Find, repeated until `timeout` has passed. kDeadlineExceeded: no such disk came up.
Result<BlockDevice> AwaitDevice(BlockDevices& devices, const Clock& clock, std::string_view serial,
                                std::chrono::milliseconds timeout);

}  // namespace locket::device
