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

size_t Connections::Count(const std::string& peer) const {
  return static_cast<size_t>(std::ranges::count_if(connections_, [&](const auto& entry) {
    return entry.second.stage != Stage::kHungUp && entry.second.peer == peer;
  }));
}

std::string Connections::PeerWithMost() const {
  std::map<std::string, size_t> counts;
  for (const auto& [fd, connection] : connections_) {
    if (connection.stage != Stage::kHungUp) ++counts[connection.peer];
  }
  const auto most = std::ranges::max_element(
      counts, [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? "" : most->first;
}

bool Connections::MakeRoom(const std::string& peer) {
  const auto slow_since = clock_.Steady() - limits_.grace;
  Map::value_type* oldest = nullptr;
  for (auto& entry : connections_) {
    const Connection& connection = entry.second;
    const bool slow = connection.since <= slow_since &&
                      (connection.stage == Stage::kConnected || connection.stage == Stage::kBegun);
    if (!slow || connection.peer != peer) continue;
    if (oldest == nullptr || connection.since < oldest->second.since) oldest = &entry;
  }
  if (oldest == nullptr) return false;
  HangUp(*oldest);
  return true;
}

void Connections::Add(int fd, const std::string& peer) {
  const std::lock_guard lock(mutex_);
  const std::string key = PeerKey(peer);
  const auto in_use = static_cast<size_t>(std::ranges::count_if(
      connections_, [](const auto& entry) { return entry.second.stage != Stage::kHungUp; }));
  bool room = true;
  if (Count(key) >= limits_.max_per_peer) {
    room = MakeRoom(key);
  } else if (in_use >= limits_.max_connections) {
    room = MakeRoom(PeerWithMost());
  }
  const auto now = clock_.Steady();
  const auto added = connections_.insert_or_assign(
      fd, Connection{.peer = key, .since = now, .ends = now + limits_.request_timeout});
  if (!room) HangUp(*added.first);
}

void Connections::Begin(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end() || found->second.stage != Stage::kConnected) return;
  found->second.stage = Stage::kBegun;
}

void Connections::Answer(int fd) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end() || found->second.stage == Stage::kHungUp) return;
  found->second.stage = Stage::kAnswering;
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
