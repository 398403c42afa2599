// Disks that a test plugs in or takes out, now or while somebody waits.
#pragma once

#include <fcntl.h>

#include <functional>
#include <map>
#include <string>

#include "base/file.h"
#include "device/block_devices.h"

namespace locket::device {

// `path` is name and number of the disk as well; its content, if there is such a file.
struct FakeDisk {
  std::string path;
  uint64_t size_bytes;
};

class FakeBlockDevices final : public BlockDevices {
 public:
  void Plug(std::string serial, FakeDisk disk) {
    by_serial_.insert_or_assign(std::move(serial), std::move(disk));
  }
  // Nobody finds the disk any more, and it serves nothing to those who hold it.
  void Unplug(std::string_view serial) {
    const auto it = by_serial_.find(serial);
    if (it != by_serial_.end()) by_serial_.erase(it);
  }
  // Makes the nth call of Find from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  // Runs whenever somebody waits: plug something, or move the fake clock on.
  void OnAwait(std::function<void(std::chrono::milliseconds)> action) { action_ = action; }
  // Runs whenever a disk has been found: take it out again.
  void OnFound(std::function<void()> action) { on_found_ = std::move(action); }
  // Runs whenever the kernel is to look for disks that it overlooked.
  void OnLookAgain(std::function<void()> action) { on_look_again_ = action; }

  Result<std::optional<BlockDevice>> Find(std::string_view serial) override {
    if (countdown_ > 0 && --countdown_ == 0) return Error(ErrorCode::kUnavailable, "injected");
    const auto it = by_serial_.find(serial);
    if (it == by_serial_.end()) return std::optional<BlockDevice>();
    const auto& [path, size_bytes] = it->second;
    auto file = OpenFile(path, O_RDONLY);
    BlockDevice disk{.file = file.ok() ? std::move(*file) : UniqueFd(),
                     .name = path,
                     .number = path,
                     .size_bytes = size_bytes};
    if (on_found_) on_found_();
    return std::optional(std::move(disk));
  }

  bool Serves(const BlockDevice& disk) override {
    for (const auto& [serial, plugged] : by_serial_) {
      if (plugged.path == disk.name) return true;
    }
    return false;
  }

  void LookAgain() override {
    if (on_look_again_) on_look_again_();
  }

  void AwaitChange(std::chrono::milliseconds at_most) override {
    if (action_) action_(at_most);
  }

 private:
  std::map<std::string, FakeDisk, std::less<>> by_serial_;
  std::function<void(std::chrono::milliseconds)> action_;
  std::function<void()> on_found_;
  std::function<void()> on_look_again_;
  int countdown_ = 0;
};

}  // namespace locket::device
