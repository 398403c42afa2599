#include "key-broker/connections.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace locket::key_broker {
namespace {

constexpr std::chrono::milliseconds kTick{50};  // how late Stop notices a deadline

}  // namespace

std::string Connections::PeerKey(const std::string& address) {
  std::array<std::byte, 16> bytes{};
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
  // One subscriber has a whole /64. Mapped IPv4 addresses differ in their last bytes only.
  constexpr std::array<std::byte, 10> kZeros{};
  const bool mapped = std::equal(kZeros.begin(), kZeros.end(), bytes.begin());
  return HexEncode(std::span(bytes).first(mapped ? 16 : 8));
}

void Connections::HangUp(Map::value_type& connection) {
  if (connection.second.stage == Stage::kHungUp) return;
  connection.second.stage = Stage::kHungUp;
  ::shutdown(connection.first, SHUT_RDWR);
}

Connections::Peers Connections::ByPeer() {
  const auto slow_since = clock_.Steady() - limits_.grace;
  Peers peers;
  for (auto& entry : connections_) {
    const Connection& connection = entry.second;
    if (connection.stage == Stage::kHungUp) continue;
    Held& held = peers[connection.peer];
    ++held.count;
    const bool slow = connection.since <= slow_since &&
                      (connection.stage == Stage::kConnected || connection.stage == Stage::kBegun);
    if (!slow) continue;
    if (held.slowest == nullptr || connection.since < held.slowest->second.since) {
      held.slowest = &entry;
    }
  }
  return peers;
}

// A peer without a slow connection is passed over, however many it has: it must not protect the
// slow ones of others.
Connections::Map::value_type* Connections::SlowestOfPeerWithMost(const Peers& peers) {
  const Held* most = nullptr;
  for (const auto& [peer, held] : peers) {
    if (held.slowest == nullptr) continue;
    if (most == nullptr || held.count > most->count) most = &held;
  }
  return most == nullptr ? nullptr : most->slowest;
}

void Connections::Add(int fd, const std::string& peer) {
  const std::lock_guard lock(mutex_);
  const std::string key = PeerKey(peer);
  const Peers peers = ByPeer();
  const auto found = peers.find(key);
  const Held own = found == peers.end() ? Held{} : found->second;
  size_t in_use = 0;
  for (const auto& [name, held] : peers) in_use += held.count;
  const bool own_full = own.count >= limits_.max_per_peer;
  const bool full = own_full || in_use >= limits_.max_connections;
  Map::value_type* const leaves = own_full ? own.slowest : SlowestOfPeerWithMost(peers);
  if (full && leaves != nullptr) HangUp(*leaves);
  const auto now = clock_.Steady();
  const auto added = connections_.insert_or_assign(
      fd, Connection{.peer = key, .since = now, .ends = now + limits_.request_timeout});
  if (full && leaves == nullptr) HangUp(*added.first);
}

void Connections::Begin(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end() || found->second.stage != Stage::kConnected) return;
  found->second.stage = Stage::kBegun;
}

bool Connections::Handle(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end() || found->second.stage == Stage::kHungUp) return false;
  found->second.stage = Stage::kHandled;
  found->second.ends = std::chrono::steady_clock::time_point::max();
  return true;
}

void Connections::Answer(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end() || found->second.stage == Stage::kHungUp) return;
  found->second.ends = clock_.Steady() + limits_.request_timeout;
}

void Connections::Remove(int fd) {
  const std::lock_guard lock(mutex_);
  connections_.erase(fd);
  removed_.notify_all();
}

void Connections::HangUpLate() {
  const auto now = clock_.Steady();
  for (auto& entry : connections_) {
    if (entry.second.ends <= now) HangUp(entry);
  }
}

void Connections::EndLate() {
  const std::lock_guard lock(mutex_);
  HangUpLate();
}

void Connections::Stop() {
  std::unique_lock lock(mutex_);
  for (auto& entry : connections_) {
    if (entry.second.stage == Stage::kConnected) HangUp(entry);
  }
  while (!connections_.empty()) {
    removed_.wait_for(lock, kTick);
    HangUpLate();
  }
}

size_t Connections::size() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(
      connections_, [](const auto& entry) { return entry.second.stage != Stage::kHungUp; }));
}

}  // namespace locket::key_broker
