// The seam between us and /dev/mapper/control: as few operations as we use, no more.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "device/dm_target.h"

namespace locket::device {

enum class DmAccess { kReadOnly, kReadWrite };

class DmControl {
 public:
  virtual ~DmControl() = default;

  // Creates `name` with `table` active, and returns its node path, which exists. On failure nothing
  // called `name` of our making is left behind. kAlreadyExists: there is one.
  virtual Result<std::string> Create(const std::string& name, std::span<const DmTarget> table,
                                     DmAccess access) = 0;

  // Removes `name`. Succeeds when it is already gone, so cleanup may be repeated.
  // kFailedPrecondition: the device is open.
  virtual Status Remove(const std::string& name) = 0;

  // Removes `name` now, or, if it is open, as soon as its last user has closed it. Succeeds when it
  // is already gone.
  virtual Status RemoveWhenClosed(const std::string& name) = 0;

  // What the kernel says of `name`'s first target. kNotFound: no such device.
  virtual Result<std::string> TargetStatus(const std::string& name) = 0;
};

}  // namespace locket::device
