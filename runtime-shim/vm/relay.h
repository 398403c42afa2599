// Host end of the relay (docs/formats/guest-channels.md): opens TCP connections for the guest, to
// allowed addresses only, and moves bytes it cannot read.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "rpc/relay_frame.h"

namespace locket::runtime_shim {

// Serves `port` on threads of its own until the port ends, the guest breaks the protocol (logged),
// or the object dies. Guest data goes to a connection on the port's one reading thread, so a peer
// that stops reading holds all streams up for at most 30 s, and then loses its stream. A stream
// that ended, by either side or because nothing answered at its address, is forgotten with its
// socket at the guest's next frame at the latest.
class Relay {
 public:
  // `allow`: "host:port", compared as text with what the guest asks for.
  Relay(UniqueFd port, const std::vector<std::string>& allow);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

 private:
  struct Stream {
    std::atomic<int> socket = -1;  // owned by `owner`; set once it is connected
    UniqueFd owner;
    std::atomic<bool> finished = false;  // last act of `pump`
    std::jthread pump;
  };

  void ReadLoop();
  Status Take(rpc::RelayFrame frame);
  Status Open(uint32_t number, const std::string& address);
  void Data(uint32_t number, const std::string& payload);
  void GuestClose(uint32_t number);
  void Sweep();
  void Pump(uint32_t number, const std::string& address, Stream& stream);
  Result<UniqueFd> Connect(const std::string& address) const;
  void CopyToGuest(uint32_t number, int socket);
  void Send(const rpc::RelayFrame& frame);

  const UniqueFd port_;
  const UniqueFd stop_;  // eventfd: ends connection attempts
  const std::set<std::string> allow_;
  Mutex write_;                                          // one frame at a time
  std::map<uint32_t, std::unique_ptr<Stream>> streams_;  // reading thread only
  std::jthread reader_;
};

}  // namespace locket::runtime_shim
