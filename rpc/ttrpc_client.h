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
  std::optional<std::chrono::milliseconds>
      timeout{};  // sent along and enforced here; none: forever
  std::multimap<std::string, std::string> metadata{};
};

// Thread-safe. Destruction ends calls under way with kUnavailable.
class TtrpcClient {
 public:
  // Takes over a connected stream. `on_close`, if given, runs once on the reader thread when the
  // peer is gone or the stream is broken; it may not destroy the client.
  static Result<std::unique_ptr<TtrpcClient>> Create(
      UniqueFd stream, std::function<void(const Error&)> on_close = nullptr);
  virtual ~TtrpcClient() = default;

  // One unary call. The server's status becomes an Error with its code and message.
  // kUnavailable: the connection is gone. kDeadlineExceeded: no answer in time.
  virtual Status Call(std::string_view service, std::string_view method,
                      const google::protobuf::MessageLite& request,
                      google::protobuf::MessageLite* response, const CallOptions& options = {}) = 0;
};

}  // namespace locket::rpc
