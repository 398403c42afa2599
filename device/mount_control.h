// The seam at mount(2).
#pragma once

#include <string>

#include "base/result.h"

namespace locket::device {

// The kernel takes one page of options and silently cuts off the rest, so longer ones are refused.
inline constexpr size_t kMaxMountDataBytes = 4095;

struct MountSpec {
  std::string source;
  std::string target;  // an existing directory
  std::string type;
  std::string data{};  // file system options, at most kMaxMountDataBytes
  // The directory that relative paths in `data` start from. Empty: there are none.
  std::string relative_to{};
  bool read_only = false;
  bool nodev = false;
  bool nosuid = false;

  bool operator==(const MountSpec&) const = default;
};

// kInvalidArgument: the options are longer than the kernel takes. For implementations of Mount.
Status CheckMountData(const MountSpec& spec);

// Implemented by kernel_mount_control.h (thread-safe), and by fake_mount_control.h for tests. Works
// in the mount namespace of the calling thread.
class MountControl {
 public:
  virtual ~MountControl() = default;

  // Mounts as `spec` says. On failure nothing is mounted, and the message has the kernel's own
  // reason. kInvalidArgument: `data` is too long.
  virtual Status Mount(const MountSpec& spec) = 0;

  // Unmounts what is mounted at `target`. Succeeds when nothing is, so cleanup may be repeated.
  // kFailedPrecondition: it is in use.
  virtual Status Unmount(const std::string& target) = 0;

  // Takes the mount out of the directory tree now; it ends with its last user. Succeeds when
  // nothing is mounted at `target`.
  virtual Status Detach(const std::string& target) = 0;
};

}  // namespace locket::device
