#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/secret_source.h"

namespace locket::guest_mounter {

// Gives out what a test put in; refuses the rest as a broker without a policy would.
class FakeKeySource final : public SecretSource {
 public:
  void Put(const ResourceName& name, std::vector<std::byte> kek) {
    keks_[name.ToUri()] = std::move(kek);
  }
  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  int calls() const { return calls_; }

  Result<Secret> FetchSecret(const ResourceName& name) override {
    ++calls_;
    if (countdown_ > 0 && --countdown_ == 0) return Error(ErrorCode::kUnavailable, "injected");
    const auto it = keks_.find(name.ToUri());
    if (it == keks_.end()) return Error(ErrorCode::kPermissionDenied, "no policy allows it");
    Secret kek(it->second.size());
    std::copy(it->second.begin(), it->second.end(), kek.Reveal().begin());
    return kek;
  }

 private:
  std::map<std::string, std::vector<std::byte>> keks_;
  int countdown_ = 0;
  int calls_ = 0;
};

}  // namespace locket::guest_mounter
