#include "device/mapped_device.h"

#include "base/log.h"

namespace locket::device {

Result<MappedDevice> MappedDevice::Create(DmControl& dm, std::string name,
                                          std::span<const DmTarget> table, DmAccess access) {
  LOCKET_TRY_ASSIGN(auto path,
                    dm.Create(name, table, access).While("create mapped device '" + name + "'"));
  return MappedDevice(dm, std::move(name), std::move(path));
}

MappedDevice::~MappedDevice() {
  DmControl* const dm = dm_;
  Status removed = Remove();
  if (removed.ok()) return;
  // Whoever has it open, a mount namespace that is slow to go at most, closes it some time.
  if (removed.error().code() == ErrorCode::kFailedPrecondition) {
    removed = dm->RemoveWhenClosed(name_).While("remove mapped device '" + name_ + "'");
    if (removed.ok()) return;
  }
  log::Warning(removed.error().message() + ", leaving it");
}

Result<std::string> MappedDevice::TargetStatus() const {
  if (dm_ == nullptr) return Error(ErrorCode::kFailedPrecondition, "device is removed");
  return dm_->TargetStatus(name_);
}

Status MappedDevice::Remove() {
  DmControl* dm = std::exchange(dm_, nullptr);
  if (dm == nullptr) return Ok();
  return dm->Remove(name_).While("remove mapped device '" + name_ + "'");
}

}  // namespace locket::device
