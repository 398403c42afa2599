// Disks that a test plugs in, now or while somebody waits.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "device/block_devices.h"

namespace locket::device {

class FakeBlockDevices final : public BlockDevices {
 public:
  void Plug(std::string serial, BlockDevice device) {
    by_serial_.insert_or_assign(std::move(serial), std::move(device));
  }
  // Makes the nth call of Find from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  // Runs whenever somebody waits: plug something, or move the fake clock on.
  void OnAwait(std::function<void(std::chrono::milliseconds)> action) { action_ = action; }

  Result<std::optional<BlockDevice>> Find(std::string_view serial) override {
    if (countdown_ > 0 && --countdown_ == 0) return Error(ErrorCode::kUnavailable, "injected");
    const auto it = by_serial_.find(serial);
    if (it == by_serial_.end()) return std::optional<BlockDevice>();
    return std::optional(it->second);
  }

  void AwaitChange(std::chrono::milliseconds at_most) override {
    if (action_) action_(at_most);
  }

 private:
  std::map<std::string, BlockDevice, std::less<>> by_serial_;
  std::function<void(std::chrono::milliseconds)> action_;
  int countdown_ = 0;
};

}  // namespace locket::device
