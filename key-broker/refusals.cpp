#include "key-broker/refusals.h"

#include <algorithm>
#include <utility>

namespace locket::key_broker {

std::optional<size_t> RefusalBudget::Take(const std::string& peer) {
  const MutexLock lock(mutex_);
  const auto now = clock_.Steady();
  if (now >= minute_ends_) {
    minute_ends_ = now + std::chrono::minutes(1);
    taken_ = 0;
    by_peer_.clear();
  }
  const auto found = by_peer_.find(peer);
  const size_t of_peer = found == by_peer_.end() ? 0 : found->second;
  if (taken_ >= per_minute_ || of_peer >= std::max<size_t>(per_minute_ / 4, 1)) {
    ++omitted_;
    return std::nullopt;
  }
  ++taken_;
  ++by_peer_[peer];
  return std::exchange(omitted_, 0);
}

}  // namespace locket::key_broker
