// Who is connected, so that slow ones end and nobody takes all places. Knows sockets by their
// descriptors and reads nothing from them; the HTTP library does (server.cpp).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace locket::key_broker {

struct ConnectionLimits {
  size_t max_connections = 512;
  size_t max_per_peer = 128;
  // For handshake, head and body together; as long again for sending the answer.
  std::chrono::milliseconds request_timeout = std::chrono::seconds(10);
  // Older ones without a whole request may have to make room.
  std::chrono::milliseconds grace = std::chrono::seconds(2);
};

// Thread-safe. Hanging up is shutdown(2): whoever owns the socket sees its end, calls Remove and
// closes it. `clock` outlives the object.
class Connections {
 public:
  Connections(const ConnectionLimits& limits, const Clock& clock)
      : limits_(limits), clock_(clock) {}

  // A new connection from `peer`. When its peer, or everybody together, has all places, the oldest
  // that is slow makes room: among the peer's own, or among those of the peer that has the most
  // connections of all peers with a slow one. When none is slow, the new one is hung up on.
  void Add(int fd, const std::string& peer);
  // Its request's head is there: Stop waits for it.
  void Begin(int fd);
  // Its request is whole: it makes room for nobody, and has no time limit until Answer, so that
  // nobody is hung up on for the time that the broker itself takes. False: it was hung up on, and
  // there is nobody to answer.
  bool Handle(int fd);
  // Its answer is ready: the time to send it starts.
  void Answer(int fd);
  // Before the descriptor is closed.
  void Remove(int fd);

  // Hangs up on all whose time is over.
  void EndLate();
  // Hangs up on whoever has not begun a request, and waits until the others are gone; their time
  // ends, too.
  void Stop();

  size_t size() const;                                     // those hung up on do not count
  static std::string PeerKey(const std::string& address);  // a place's owner: IPv6 by /64

 private:
  enum class Stage { kConnected, kBegun, kHandled, kHungUp };
  struct Connection {
    std::string peer;
    std::chrono::steady_clock::time_point since;
    std::chrono::steady_clock::time_point ends;
    Stage stage = Stage::kConnected;
  };
  using Map = std::map<int, Connection>;
  struct Held {
    size_t count = 0;                    // without those hung up on
    Map::value_type* slowest = nullptr;  // the oldest that is slow, if any is
  };
  using Peers = std::unordered_map<std::string_view, Held>;  // keys are those of connections_

  void HangUp(Map::value_type& connection);
  void HangUpLate();
  Peers ByPeer();
  static Map::value_type* SlowestOfPeerWithMost(const Peers& peers);

  const ConnectionLimits limits_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // for the condition variable; guards what follows
  std::condition_variable removed_;
  Map connections_;
};

}  // namespace locket::key_broker
