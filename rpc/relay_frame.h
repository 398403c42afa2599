// Relay frames between guest and host (docs/formats/guest-channels.md): several byte streams over
// one channel. `u8 type | u32 stream | u32 length | payload`, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::rpc {

inline constexpr size_t kRelayHeaderBytes = 9;
inline constexpr size_t kMaxRelayPayload = 65536;
inline constexpr size_t kMaxRelayStreams = 16;

enum class RelayType : uint8_t {
  kOpen = 1,    // guest to host; payload `host:port`
  kOpened = 2,  // host to guest; empty
  kData = 3,
  kClose = 4,  // payload: empty, or the reason as text
};

// One frame of stream number `stream`, which the guest chose when it opened the stream.
struct RelayFrame {
  RelayType type;
  uint32_t stream;
  std::string payload{};
  bool operator==(const RelayFrame&) const = default;
};

// Returns the bytes of the frame. kInvalidArgument: the payload is larger than kMaxRelayPayload.
Result<std::string> EncodeRelayFrame(const RelayFrame& frame);

// Cuts a byte stream into frames: Feed the bytes as they come, then call Next until it returns
// nothing. It holds at most one frame and the bytes of one Feed. For one thread.
class RelayFrameDecoder {
 public:
  // Adds bytes of the stream.
  void Feed(std::span<const std::byte> bytes);

  // Returns the next complete frame, or nothing if more bytes are needed. kDataLoss: an unknown
  // type, a length above kMaxRelayPayload, or an OPENED with a payload. Then the channel cannot be
  // used any more, and every later call fails in the same way.
  Result<std::optional<RelayFrame>> Next();

  // Bytes of a frame that is not whole yet.
  size_t pending_bytes() const { return buffer_.size() - consumed_; }

 private:
  std::string buffer_;
  size_t consumed_ = 0;
};

// Read or write one frame on a descriptor in blocking mode, and wait as long as that takes. Reading
// returns nothing if the channel ended between two frames. kDataLoss: as for Next, or the channel
// ended inside a frame.
Result<std::optional<RelayFrame>> ReadRelayFrame(int fd);
Status WriteRelayFrame(int fd, const RelayFrame& frame);

}  // namespace locket::rpc
