// The seam at mount(2).
#pragma once

#include <string>

#include "base/result.h"

namespace locket::device {

// The kernel takes a page of options and cuts the rest off without a word: longer ones are refused.
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

// kInvalidArgument: the options are longer than the kernel takes. For whoever implements Mount.
Status CheckMountData(const MountSpec& spec);

class MountControl {
 public:
  virtual ~MountControl() = default;

  // On failure nothing is mounted; the message has the kernel's own reason. kInvalidArgument:
  // `data` is too long.
  virtual Status Mount(const MountSpec& spec) = 0;

  // Succeeds when nothing is mounted at `target`, so cleanup may be repeated.
  // kFailedPrecondition: it is in use.
  virtual Status Unmount(const std::string& target) = 0;

  // Takes the mount out of sight now; it ends when its last user does. Succeeds when nothing is
  // mounted at `target`.
  virtual Status Detach(const std::string& target) = 0;
};

}  // namespace locket::device
