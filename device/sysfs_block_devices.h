#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "device/block_devices.h"

namespace locket::device {

// SCSI disks as /sys/block/sd* shows them; the serial is the one of VPD page 0x80. Waits on the
// kernel's uevents. Thread-safe.
class SysfsBlockDevices final : public BlockDevices {
 public:
  // `sys` is /sys, `dev` is /dev, except in tests.
  static Result<std::unique_ptr<SysfsBlockDevices>> Open(std::filesystem::path sys = "/sys",
                                                         std::filesystem::path dev = "/dev");

  Result<std::optional<BlockDevice>> Find(std::string_view serial) override;
  bool Serves(const BlockDevice& disk) override;
  void LookAgain() override;
  void AwaitChange(std::chrono::milliseconds at_most) override;

 private:
  SysfsBlockDevices(std::filesystem::path sys, std::filesystem::path dev, UniqueFd uevents)
      : sys_(std::move(sys)), dev_(std::move(dev)), uevents_(std::move(uevents)) {}

  std::filesystem::path SysDirectory(const std::string& name) const {
    return sys_ / "block" / name;
  }
  Status Refresh() LOCKET_REQUIRES(mutex_);
  std::optional<BlockDevice> Take(const std::string& name, std::string_view serial);

  // What a disk said when it was first seen. The inode of its entry in sysfs is another one each
  // time a name is given out, so each disk is asked once, however many are waited for.
  struct Seen {
    uint64_t inode;
    std::string serial;
  };

  const std::filesystem::path sys_;
  const std::filesystem::path dev_;
  const UniqueFd uevents_;
  Mutex mutex_;
  std::map<std::string, Seen> seen_ LOCKET_GUARDED_BY(mutex_);  // by name
};

}  // namespace locket::device
