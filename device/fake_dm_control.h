// An in-memory DmControl: keeps the same promises as the kernel's, and can break at a chosen call.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "device/dm_control.h"

namespace locket::device {

class FakeDmControl final : public DmControl {
 public:
  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  // What TargetStatus says of verity devices from now on.
  void SetVerityStatus(std::string status) { verity_status_ = std::move(status); }
  // As if a process had every device open, from now on, or had not any more.
  void SetOpen(bool open) {
    open_ = open;
    if (open_) return;
    for (const std::string& name : std::exchange(removed_when_closed_, {})) Erase(name);
  }

  const std::map<std::string, std::vector<DmTarget>>& devices() const { return devices_; }
  bool writable(const std::string& name) const { return writable_.contains(name); }

  Result<std::string> Create(const std::string& name, std::span<const DmTarget> table,
                             DmAccess access) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    const auto [it, fresh] = devices_.try_emplace(name, table.begin(), table.end());
    if (!fresh) return Error(ErrorCode::kAlreadyExists, "device exists");
    if (access == DmAccess::kReadWrite) writable_.insert(name);
    return "/dev/fake-" + name;
  }

  Status Remove(const std::string& name) override {
    if (Trip()) return Error(ErrorCode::kFailedPrecondition, "injected");
    if (open_ && devices_.contains(name)) {
      return Error(ErrorCode::kFailedPrecondition, "device is open");
    }
    Erase(name);
    return Ok();
  }

  Status RemoveWhenClosed(const std::string& name) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    if (open_) {
      removed_when_closed_.insert(name);
    } else {
      Erase(name);
    }
    return Ok();
  }

  Result<std::string> TargetStatus(const std::string& name) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    const auto it = devices_.find(name);
    if (it == devices_.end()) return Error(ErrorCode::kNotFound, "no device '" + name + "'");
    return it->second.front().type == "verity" ? verity_status_ : std::string();
  }

 private:
  void Erase(const std::string& name) {
    devices_.erase(name);
    writable_.erase(name);
  }
  bool Trip() { return countdown_ > 0 && --countdown_ == 0; }

  std::map<std::string, std::vector<DmTarget>> devices_;
  std::set<std::string> writable_;
  std::set<std::string> removed_when_closed_;
  std::string verity_status_ = "V";
  bool open_ = false;
  int countdown_ = 0;
};

}  // namespace locket::device
