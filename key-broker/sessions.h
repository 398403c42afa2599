// Sessions: what the broker remembers of a guest between its first request and its last.
//
// A session is challenged (Begin), then its challenge is taken for one attempt to attest
// (TakeChallenge), and after a successful one it has a token (Complete, Token). It ends after its
// lifetime, or when it has to make room. Anybody can begin sessions, so their number is bounded,
// and one that has attested is dropped only if all have.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "attest/kbs/kbs_messages.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace locket::key_broker {

// What a guest was asked to prove, and which TEE it said it has.
struct Challenged {
  attest::Challenge challenge;
  std::string tee{};  // its name in the KBS protocol
};

struct SessionLimits {
  std::chrono::seconds lifetime{300};
  size_t max_sessions = 4096;
};

// Thread-safe. `clock` outlives the object.
class Sessions {
 public:
  Sessions(const SessionLimits& limits, const Clock& clock) : limits_(limits), clock_(clock) {}

  // Makes a session and returns its id, 32 random bytes in hex, which the guest sends back as a
  // cookie. When all places are taken, the oldest session that has not attested makes room; when
  // all have, the oldest. A guest whose session was dropped after it attested can still use its
  // token.
  std::string Begin(const Challenged& challenged);
  // Returns the challenge of a session that has not tried to attest yet. The session has none
  // afterwards, whatever becomes of the attempt, so each nonce serves once.
  // kPermissionDenied: no such session, too old, or its nonce was used.
  Result<Challenged> TakeChallenge(const std::string& id);
  // Notes that the session attested; `token` says as what. Does nothing if the session was dropped
  // meanwhile.
  void Complete(const std::string& id, const std::string& token);
  // Returns the token. kPermissionDenied: no such session, too old, or not attested.
  Result<std::string> Token(const std::string& id);

  size_t size() const;

 private:
  struct Session {
    std::chrono::steady_clock::time_point ends;
    uint64_t number;                         // counts up, so that the oldest is known
    std::optional<Challenged> challenged{};  // until it is taken
    std::string token{};                     // empty until attested
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
