#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "device/mount_control.h"

namespace locket::device {

// A mounted file system and the directory that was made for it. Both go when this object dies. A
// mount that is still in use then leaves the directory tree at once and ends with its last user.
class Mounted {
 public:
  // Makes directory spec.target (its parent exists; it itself must not) and mounts there. On
  // failure neither is left. `control` must outlive the object.
  static Result<Mounted> Create(MountControl& control, const MountSpec& spec);

  Mounted(Mounted&& other) noexcept
      : control_(std::exchange(other.control_, nullptr)), target_(std::move(other.target_)) {}
  Mounted& operator=(Mounted&&) = delete;
  ~Mounted();

  const std::string& target() const { return target_; }

  // Unmounts now, for callers who must know whether that worked. Afterwards the destructor does
  // nothing, whatever this returned.
  Status Unmount();

 private:
  Status RemoveDirectory() const;

  Mounted(MountControl& control, std::string target)
      : control_(&control), target_(std::move(target)) {}

  MountControl* control_;  // null once unmounted or moved from
  std::string target_;
};

}  // namespace locket::device
