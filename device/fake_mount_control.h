// An in-memory MountControl: keeps the same promises as the kernel's, and can break at a chosen
// call.
#pragma once

#include <string>
#include <vector>

#include "device/mount_control.h"

namespace locket::device {

class FakeMountControl final : public MountControl {
 public:
  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }

  const std::vector<MountSpec>& mounts() const { return mounts_; }  // oldest first

  Status Mount(const MountSpec& spec) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    mounts_.push_back(spec);
    return Ok();
  }

  Status Unmount(const std::string& target) override {
    if (Trip()) return Error(ErrorCode::kFailedPrecondition, "injected");
    for (auto it = mounts_.rbegin(); it != mounts_.rend(); ++it) {
      if (it->target != target) continue;
      mounts_.erase(std::next(it).base());
      break;
    }
    return Ok();
  }

 private:
  bool Trip() { return countdown_ > 0 && --countdown_ == 0; }

  std::vector<MountSpec> mounts_;
  int countdown_ = 0;
};

}  // namespace locket::device
