#include "key-broker/sessions.h"

#include <array>

#include "attest/hash.h"
#include "base/encoding.h"

namespace locket::key_broker {

Status Sessions::MakeRoom() {
  const auto now = clock_.Steady();
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.ends <= now; });
  if (sessions_.size() < limits_.max_sessions) return Ok();
  auto oldest = sessions_.end();
  for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
    if (!at->second.token.empty()) continue;
    if (oldest == sessions_.end() || at->second.number < oldest->second.number) oldest = at;
  }
  if (oldest == sessions_.end()) {
    return Error(ErrorCode::kResourceExhausted,
                 "all " + std::to_string(limits_.max_sessions) + " sessions are in use");
  }
  sessions_.erase(oldest);
  return Ok();
}

Result<std::string> Sessions::Begin(const attest::Challenge& challenge) {
  std::array<std::byte, 32> random{};
  attest::FillRandom(random);
  std::string id = HexEncode(random);
  const MutexLock lock(mutex_);
  // Looking for old ones costs a walk, so only when it matters.
  if (sessions_.size() >= limits_.max_sessions) LOCKET_TRY(MakeRoom());
  sessions_[id] = Session{
      .ends = clock_.Steady() + limits_.lifetime, .number = next_number_++, .challenge = challenge};
  return id;
}

Result<Sessions::Map::iterator> Sessions::Find(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return Error(ErrorCode::kPermissionDenied, "no such session: start with /kbs/v0/auth");
  }
  if (found->second.ends <= clock_.Steady()) {
    sessions_.erase(found);
    return Error(ErrorCode::kPermissionDenied, "the session has expired");
  }
  return found;
}

Result<attest::Challenge> Sessions::TakeChallenge(const std::string& id) {
  const MutexLock lock(mutex_);
  LOCKET_TRY_ASSIGN(const auto found, Find(id));
  if (!found->second.challenge) {
    return Error(ErrorCode::kPermissionDenied, "the session's nonce was used already");
  }
  attest::Challenge challenge = *found->second.challenge;
  found->second.challenge.reset();
  return challenge;
}

void Sessions::Complete(const std::string& id, const std::string& token) {
  const MutexLock lock(mutex_);
  const auto found = sessions_.find(id);
  // It may have made room for another meanwhile; the guest has its token all the same.
  if (found != sessions_.end()) found->second.token = token;
}

Result<std::string> Sessions::Token(const std::string& id) {
  const MutexLock lock(mutex_);
  LOCKET_TRY_ASSIGN(const auto found, Find(id));
  if (found->second.token.empty()) {
    return Error(ErrorCode::kPermissionDenied, "the session has not attested");
  }
  return found->second.token;
}

size_t Sessions::size() const {
  const MutexLock lock(mutex_);
  return sessions_.size();
}

}  // namespace locket::key_broker
