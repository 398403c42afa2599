#include "device/mount_control.h"

namespace locket::device {

Status CheckMountData(const MountSpec& spec) {
  if (spec.data.size() <= kMaxMountDataBytes) return Ok();
  return Error(ErrorCode::kInvalidArgument, "the options have " + std::to_string(spec.data.size()) +
                                                " bytes; the kernel takes " +
                                                std::to_string(kMaxMountDataBytes));
}

}  // namespace locket::device
