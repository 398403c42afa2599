// The seam at mount(2).
#pragma once

#include <string>

#include "base/result.h"

namespace locket::device {

struct MountSpec {
  std::string source;
  std::string target;  // an existing directory
  std::string type;
  std::string data{};  // file system options
  bool read_only = false;
  bool nodev = false;
  bool nosuid = false;

  bool operator==(const MountSpec&) const = default;
};

class MountControl {
 public:
  virtual ~MountControl() = default;

  // On failure nothing is mounted. The kernel's own reason stands in the message.
  virtual Status Mount(const MountSpec& spec) = 0;

  // Succeeds when nothing is mounted at `target`, so cleanup may be repeated.
  // kFailedPrecondition: it is in use.
  virtual Status Unmount(const std::string& target) = 0;
};

}  // namespace locket::device
