// The seam at the kernel's device mapper (/dev/mapper/control): the operations that locket uses, no
// more.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "device/dm_target.h"

namespace locket::device {

enum class DmAccess { kReadOnly, kReadWrite };

// Implemented by kernel_dm_control.h (thread-safe), and by fake_dm_control.h for tests. Names are
// those of /dev/mapper, in use by the whole kernel. An error's message has the kernel's own reason.
class DmControl {
 public:
  virtual ~DmControl() = default;

  // Creates the device `name` with `table` active. Returns the path of its node, which exists
  // already. kAlreadyExists: there is a device of that name; it is left alone. On any other failure
  // no device of that name is left.
  virtual Result<std::string> Create(const std::string& name, std::span<const DmTarget> table,
                                     DmAccess access) = 0;

  // Removes `name`. Succeeds when it is already gone, so cleanup may be repeated.
  // kFailedPrecondition: the device is open.
  virtual Status Remove(const std::string& name) = 0;

  // Removes `name` now, or, if it is open, as soon as its last user has closed it. Succeeds when it
  // is already gone.
  virtual Status RemoveWhenClosed(const std::string& name) = 0;

  // Returns the kernel's status line for the first target of the device ("V" or "C" for verity:
  // valid, or corruption seen). kNotFound: there is no such device.
  virtual Result<std::string> TargetStatus(const std::string& name) = 0;
};

}  // namespace locket::device
