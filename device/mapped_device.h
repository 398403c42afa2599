#pragma once

#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "device/dm_control.h"

namespace locket::device {

// A device-mapper device that lives exactly as long as this object, or, if somebody has it open
// when this object ends, until they close it.
class MappedDevice {
 public:
  // Creates the device (DmControl::Create). `dm` outlives the object. The devices below it, which
  // `table` names, have to outlive it as well.
  static Result<MappedDevice> Create(DmControl& dm, std::string name,
                                     std::span<const DmTarget> table,
                                     DmAccess access = DmAccess::kReadOnly);

  MappedDevice(MappedDevice&& other) noexcept
      : dm_(std::exchange(other.dm_, nullptr)),
        name_(std::move(other.name_)),
        path_(std::move(other.path_)) {}
  MappedDevice& operator=(MappedDevice&&) = delete;
  ~MappedDevice();

  // Returns the path of the device's node.
  const std::string& path() const { return path_; }

  // DmControl::TargetStatus of this device. kFailedPrecondition: it was removed.
  Result<std::string> TargetStatus() const;

  // Removes the device now, for callers who must know whether that worked. Afterwards the
  // destructor does nothing, whatever this returned.
  Status Remove();

 private:
  MappedDevice(DmControl& dm, std::string name, std::string path)
      : dm_(&dm), name_(std::move(name)), path_(std::move(path)) {}

  DmControl* dm_;  // null once removed or moved from
  std::string name_;
  std::string path_;
};

}  // namespace locket::device
