// The guest's end of the relay (docs/formats/guest-channels.md): byte streams to addresses outside
// the guest, over one virtio-serial port. The host sees every byte and may change it, so TLS runs
// inside.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// Thread-safe. All streams end with the object. They also end when the host closes the port or
// sends something that is not a frame; no stream can be opened after that.
class Relay {
 public:
  // Serves `port`, the stream socket of rpc::OpenVirtioPort, on threads of its own.
  static std::unique_ptr<Relay> Create(UniqueFd port);
  virtual ~Relay() = default;

  // Opens a stream to `address`, "host:port". Blocks for at most `timeout`. Returns a stream
  // socket; the caller closes it to end the stream. kPermissionDenied: the host does not connect
  // there; its reason is in the message. kDeadlineExceeded: the host did not answer.
  // kResourceExhausted: too many streams are open. kUnavailable: the port is gone.
  virtual Result<UniqueFd> Connect(const std::string& address,
                                   std::chrono::milliseconds timeout) = 0;
};

}  // namespace locket::guest_agent
