// The host's end of the relay (docs/formats/guest-channels.md): opens TCP connections for the
// guest, to allowed addresses only, and moves their bytes. The bytes are TLS between guest and
// broker, which the host cannot read.
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
// or the object dies. One thread reads the port and writes to all connections. So a peer that stops
// reading stops all streams of the guest, for 30 s at most: then its own stream is closed. A stream
// that ended, by either side or because nothing answered at its address, is forgotten with its
// socket at the guest's next frame at the latest.
class Relay {
 public:
  // Serves at once. `allow`: addresses "host:port", compared as text with what the guest asks for.
  Relay(UniqueFd port, const std::vector<std::string>& allow);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();  // closes all connections and waits for the threads

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
