#pragma once

#include <filesystem>
#include <memory>

#include "base/unique_fd.h"
#include "device/block_devices.h"

namespace locket::device {

// SCSI disks as /sys/block/sd* shows them; the serial is the one of VPD page 0x80. Waits on the
// kernel's uevents. Thread-safe.
class SysfsBlockDevices final : public BlockDevices {
 public:
  // `sys_block` is /sys/block, `dev` is /dev, except in tests.
  static Result<std::unique_ptr<SysfsBlockDevices>> Open(
      std::filesystem::path sys_block = "/sys/block", std::filesystem::path dev = "/dev");

  Result<std::optional<BlockDevice>> Find(std::string_view serial) override;
  void AwaitChange(std::chrono::milliseconds at_most) override;

 private:
  SysfsBlockDevices(std::filesystem::path sys_block, std::filesystem::path dev, UniqueFd uevents)
      : sys_block_(std::move(sys_block)), dev_(std::move(dev)), uevents_(std::move(uevents)) {}

  std::filesystem::path sys_block_;
  std::filesystem::path dev_;
  UniqueFd uevents_;
};

}  // namespace locket::device
