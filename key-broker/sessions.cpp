#include "key-broker/sessions.h"

#include <algorithm>
#include <array>

#include "attest/common/hash.h"
#include "base/encoding.h"

namespace locket::key_broker {

void Sessions::MakeRoom() {
  const auto now = clock_.Steady();
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.ends <= now; });
  if (sessions_.size() < limits_.max_sessions) return;
  // Who has attested comes first: those who have not are free to make.
  const auto oldest = std::ranges::min_element(sessions_, [](const auto& a, const auto& b) {
    const auto rank = [](const Session& session) {
      return std::pair(!session.token.empty(), session.number);
    };
    return rank(a.second) < rank(b.second);
  });
  sessions_.erase(oldest);
}

std::string Sessions::Begin(const Challenged& challenged) {
  std::array<std::byte, 32> random{};
  attest::FillRandom(random);
  std::string id = HexEncode(random);
  const MutexLock lock(mutex_);
  // Looking for old ones costs a walk, so only when it matters.
  if (sessions_.size() >= limits_.max_sessions) MakeRoom();
  sessions_[id] = Session{.ends = clock_.Steady() + limits_.lifetime,
                          .number = next_number_++,
                          .challenged = challenged};
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

Result<Challenged> Sessions::TakeChallenge(const std::string& id) {
  const MutexLock lock(mutex_);
  LOCKET_TRY_ASSIGN(const auto found, Find(id));
  if (!found->second.challenged) {
    return Error(ErrorCode::kPermissionDenied, "the session's nonce was used already");
  }
  Challenged challenged = *std::move(found->second.challenged);
  found->second.challenged.reset();
  return challenged;
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
