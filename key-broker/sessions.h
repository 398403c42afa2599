// Guests between their first word and their last: challenged, then attested. Bounded in number and
// in time; a nonce serves once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "attest/kbs_messages.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace locket::key_broker {

struct SessionLimits {
  std::chrono::seconds lifetime{300};
  size_t max_sessions = 4096;
};

// Thread-safe. `clock` outlives the object.
class Sessions {
 public:
  Sessions(const SessionLimits& limits, const Clock& clock) : limits_(limits), clock_(clock) {}

  // A new session, named by 32 random bytes in hex. When all places are taken, the oldest session
  // that has not attested makes room; when all have, the oldest. Its guest has its token.
  std::string Begin(const attest::Challenge& challenge);
  // The challenge of a session that has not tried to attest yet; there is no second time.
  // kPermissionDenied: no such session, too old, or its nonce was used.
  Result<attest::Challenge> TakeChallenge(const std::string& id);
  // It attested, and `token` says as what.
  void Complete(const std::string& id, const std::string& token);
  // kPermissionDenied: no such session, too old, or not attested.
  Result<std::string> Token(const std::string& id);

  size_t size() const;

 private:
  struct Session {
    std::chrono::steady_clock::time_point ends;
    uint64_t number;                               // counts up, so that the oldest is known
    std::optional<attest::Challenge> challenge{};  // until it is taken
    std::string token{};                           // empty until attested
  };
  using Map = std::map<std::string, Session>;

  Result<Map::iterator> Find(const std::string& id) LOCKET_REQUIRES(mutex_);
  void MakeRoom() LOCKET_REQUIRES(mutex_);

  const SessionLimits limits_;
  const Clock& clock_;
  mutable Mutex mutex_;
  Map sessions_ LOCKET_GUARDED_BY(mutex_);
  uint64_t next_number_ LOCKET_GUARDED_BY(mutex_) = 0;
};

}  // namespace locket::key_broker
