// How many refusals are written down: strangers cause them, and must not fill disks with them.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"

namespace locket::key_broker {

// Thread-safe. `clock` outlives the object.
class RefusalBudget {
 public:
  // `per_minute` in all; one peer has a quarter of them, at least one.
  RefusalBudget(size_t per_minute, const Clock& clock) : per_minute_(per_minute), clock_(clock) {}

  // Asks whether the refusal of `peer` (a Connections::PeerKey) is to be written down. Returns
  // nothing if it is only counted. Returns a number if it is: how many were only counted since the
  // last one that was written. A budget lasts a minute from its first refusal on.
  std::optional<size_t> Take(const std::string& peer);

 private:
  const size_t per_minute_;
  const Clock& clock_;
  Mutex mutex_;
  std::chrono::steady_clock::time_point minute_ends_ LOCKET_GUARDED_BY(mutex_){};
  size_t taken_ LOCKET_GUARDED_BY(mutex_) = 0;
  size_t omitted_ LOCKET_GUARDED_BY(mutex_) = 0;
  std::map<std::string, size_t> by_peer_ LOCKET_GUARDED_BY(mutex_);  // at most per_minute_
};

}  // namespace locket::key_broker
