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
#include "base/unique_fd.h"

namespace locket::device {

// A disk that is held: while `file` is open, the kernel gives name and number to no other disk,
// also when this one is unplugged.
struct BlockDevice {
  UniqueFd file;       // open for reading
  std::string name;    // the kernel's: "sda"
  std::string number;  // "8:0", which a device-mapper table takes in place of a path
  uint64_t size_bytes;
};

class BlockDevices {
 public:
  virtual ~BlockDevices() = default;

  // A disk with this serial that the kernel is ready for: its size is known, it opens, and it is
  // not on its way out. Nothing if there is none now. If several claim the serial, the first by
  // name.
  virtual Result<std::optional<BlockDevice>> Find(std::string_view serial) = 0;

  // Whether the disk is still plugged in and answers a read. False tells a failure above the disk
  // from one of the disk.
  virtual bool Serves(const BlockDevice& disk) = 0;

  // Has the kernel look for disks that it was not told of, or that it overlooked. Costs a question
  // to each place where a disk may be, so it is for a disk that is overdue.
  virtual void LookAgain() = 0;

  // Returns when the set of disks may have changed, or after `at_most`.
  virtual void AwaitChange(std::chrono::milliseconds at_most) = 0;
};

// How long a disk may take before AwaitDevice calls LookAgain.
inline constexpr std::chrono::milliseconds kOverdue{1000};

// Find, repeated until `timeout` has passed; at least once. kDeadlineExceeded: no such disk came
// up.
Result<BlockDevice> AwaitDevice(BlockDevices& devices, const Clock& clock, std::string_view serial,
                                std::chrono::milliseconds timeout);

}  // namespace locket::device
