// A store in memory that keeps the promises, and breaks the call it is told to.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "key-broker/store.h"

namespace locket::key_broker {

class FakeStore final : public Store {
 public:
  // The `nth` call from now on (1 is the next) fails with kInternal; 0: none.
  void FailCall(int nth) {
    const MutexLock lock(mutex_);
    fail_in_ = nth;
  }

  Status Put(Table table, std::string_view name, std::span<const std::byte> value) override {
    const MutexLock lock(mutex_);
    LOCKET_TRY(Count());
    values_[{table, std::string(name)}].assign(value.begin(), value.end());
    return Ok();
  }
  Result<Secret> Get(Table table, std::string_view name) const override {
    const MutexLock lock(mutex_);
    LOCKET_TRY(Count());
    const auto found = values_.find({table, std::string(name)});
    if (found == values_.end())
      return Error(ErrorCode::kNotFound, "no '" + std::string(name) + "'");
    Secret out(found->second.size());
    std::copy(found->second.begin(), found->second.end(), out.Reveal().begin());
    return out;
  }
  Status Delete(Table table, std::string_view name) override {
    const MutexLock lock(mutex_);
    LOCKET_TRY(Count());
    if (values_.erase({table, std::string(name)}) == 1) return Ok();
    return Error(ErrorCode::kNotFound, "no '" + std::string(name) + "'");
  }
  Result<std::vector<std::string>> List(Table table) const override {
    const MutexLock lock(mutex_);
    LOCKET_TRY(Count());
    std::vector<std::string> names;
    for (const auto& [key, value] : values_) {
      if (key.first == table) names.push_back(key.second);
    }
    return names;
  }

 private:
  Status Count() const LOCKET_REQUIRES(mutex_) {
    if (fail_in_ > 0 && --fail_in_ == 0) return Error(ErrorCode::kInternal, "the store broke");
    return Ok();
  }

  mutable Mutex mutex_;
  mutable int fail_in_ LOCKET_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<Table, std::string>, std::vector<std::byte>> values_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::key_broker
