// An in-memory MountControl: keeps the same promises as the kernel's, and can break at a chosen
// call.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "device/mount_control.h"

namespace locket::device {

class FakeMountControl final : public MountControl {
 public:
  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }

  const std::vector<MountSpec>& mounts() const { return mounts_; }  // oldest first

  // As if a process had a file open in every mount, from now on, or had not any more.
  void SetInUse(bool in_use) { in_use_ = in_use; }

  Status Mount(const MountSpec& spec) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    LOCKET_TRY(CheckMountData(spec));
    mounts_.push_back(spec);
    return Ok();
  }

  Status Unmount(const std::string& target) override {
    if (Trip()) return Error(ErrorCode::kFailedPrecondition, "injected");
    if (in_use_) return Error(ErrorCode::kFailedPrecondition, "unmount: it is in use");
    TakeOut(target);
    return Ok();
  }

  Status Detach(const std::string& target) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    TakeOut(target);
    return Ok();
  }

 private:
  void TakeOut(const std::string& target) {
    for (auto it = mounts_.rbegin(); it != mounts_.rend(); ++it) {
      if (it->target != target) continue;
      mounts_.erase(std::next(it).base());
      Empty(target);
      break;
    }
  }

  // What was written into a file system goes out of sight with it.
  static void Empty(const std::string& target) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(target, ignored)) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }

  bool Trip() { return countdown_ > 0 && --countdown_ == 0; }

  std::vector<MountSpec> mounts_;
  bool in_use_ = false;
  int countdown_ = 0;
};

}  // namespace locket::device
