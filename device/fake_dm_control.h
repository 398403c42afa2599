// An in-memory DmControl: keeps the same promises as the kernel's, and can break at a chosen call.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "device/dm_control.h"

namespace locket::device {

class FakeDmControl final : public DmControl {
 public:
  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  // What TargetStatus says of verity devices from now on.
  void SetVerityStatus(std::string status) { verity_status_ = std::move(status); }

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
    devices_.erase(name);
    writable_.erase(name);
    return Ok();
  }

  Result<std::string> TargetStatus(const std::string& name) override {
    if (Trip()) return Error(ErrorCode::kUnavailable, "injected");
    const auto it = devices_.find(name);
    if (it == devices_.end()) return Error(ErrorCode::kNotFound, "no device '" + name + "'");
    return it->second.front().type == "verity" ? verity_status_ : std::string();
  }

 private:
  bool Trip() { return countdown_ > 0 && --countdown_ == 0; }

  std::map<std::string, std::vector<DmTarget>> devices_;
  std::set<std::string> writable_;
  std::string verity_status_ = "V";
  int countdown_ = 0;
};

}  // namespace locket::device
