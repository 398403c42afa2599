// The guest's end of the relay (docs/formats/guest-channels.md): byte streams to addresses outside,
// over one virtio-serial port. The host sees and may change every byte; TLS runs inside.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// Thread-safe. Destruction ends every stream; so does the host when it hangs up or sends what is no
// frame, for good.
class Relay {
 public:
  // Takes over the port, a stream socket (rpc::OpenVirtioPort).
  static std::unique_ptr<Relay> Create(UniqueFd port);
  virtual ~Relay() = default;

  // A stream socket to `address` ("host:port"). kPermissionDenied: the host will not connect there;
  // its reason stands in the message. kDeadlineExceeded: no answer. kResourceExhausted: too many
  // streams are open. kUnavailable: the port is gone.
  virtual Result<UniqueFd> Connect(const std::string& address,
                                   std::chrono::milliseconds timeout) = 0;
};

}  // namespace locket::guest_agent
