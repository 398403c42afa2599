#pragma once

#include "device/mount_control.h"

namespace locket::device {

// mount(2) and umount2(2). Stateless and thread-safe.
class KernelMountControl final : public MountControl {
 public:
  Status Mount(const MountSpec& spec) override;
  Status Unmount(const std::string& target) override;
  Status Detach(const std::string& target) override;
};

}  // namespace locket::device
