// The seam at the discovery of disks. The host says which disks there are and what their serials
// are, and it may lie: a serial tells which disk to try, never what is on it.
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

// Implemented by sysfs_block_devices.h (thread-safe), and by fake_block_devices.h for tests.
class BlockDevices {
 public:
  virtual ~BlockDevices() = default;

  // Returns a disk with this serial that can be used: its size is known, it opens, and it is not
  // being removed. Returns nothing if there is none now. If several disks claim the serial, returns
  // the first by name.
  virtual Result<std::optional<BlockDevice>> Find(std::string_view serial) = 0;

  // Returns whether the disk is still plugged in and answers a read. After a failed read of
  // something on top of the disk, false means that the disk itself failed.
  virtual bool Serves(const BlockDevice& disk) = 0;

  // Makes the kernel scan its buses for disks that it has missed. That asks every place where a
  // disk may be, so it is for a disk that is overdue.
  virtual void LookAgain() = 0;

  // Returns when the set of disks may have changed, or after `at_most`.
  virtual void AwaitChange(std::chrono::milliseconds at_most) = 0;
};

// How long a disk may take before AwaitDevice calls LookAgain.
inline constexpr std::chrono::milliseconds kOverdue{1000};

// Calls Find until it returns a disk, for at most `timeout`, and at least once. Returns the disk.
// kDeadlineExceeded: no such disk appeared.
Result<BlockDevice> AwaitDevice(BlockDevices& devices, const Clock& clock, std::string_view serial,
                                std::chrono::milliseconds timeout);

}  // namespace locket::device
