// ttrpc client: many calls at a time over one connected stream socket (rpc/transport.h makes one of
// a virtio-serial port too).
// Wire: containerd/ttrpc PROTOCOL.md (10-byte header: u32 length, u32 stream ID, u8 type, u8 flags,
// big-endian; 4 MiB payload limit; odd stream IDs; Request{service, method, payload, timeout_nano,
// metadata}).
#pragma once

#include <google/protobuf/message_lite.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::rpc {

struct CallOptions {
  // Sent to the server, and enforced here. Not given: the call may last forever.
  std::optional<std::chrono::milliseconds> timeout{};
  std::multimap<std::string, std::string> metadata{};
};

// One connection. Thread-safe: calls of several threads run at the same time. When the connection
// is gone, the calls under way and all later ones end with kUnavailable; connect again and make a
// new client. Destruction does the same to calls under way.
class TtrpcClient {
 public:
  // Takes over a connected stream. `on_close`, if given, runs once on the reader thread when the
  // peer is gone or the stream is broken; it may not destroy the client.
  static Result<std::unique_ptr<TtrpcClient>> Create(
      UniqueFd stream, std::function<void(const Error&)> on_close = nullptr);
  virtual ~TtrpcClient() = default;

  // Makes one unary call and waits for its answer, which goes to `*response`. A status other than
  // OK becomes an Error with the server's code (rpc/status.h) and message. kUnavailable: the
  // connection is gone, and the call may or may not have happened. kDeadlineExceeded: no answer in
  // time; the server may still work on it.
  virtual Status Call(std::string_view service, std::string_view method,
                      const google::protobuf::MessageLite& request,
                      google::protobuf::MessageLite* response, const CallOptions& options = {}) = 0;
};

}  // namespace locket::rpc
