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

struct RelayFrame {
  RelayType type;
  uint32_t stream;
  std::string payload{};
  bool operator==(const RelayFrame&) const = default;
};

// kInvalidArgument: the payload is over kMaxRelayPayload.
Result<std::string> EncodeRelayFrame(const RelayFrame& frame);

// Cuts a byte stream into frames. Holds at most one frame plus what one Feed brought.
class RelayFrameDecoder {
 public:
  void Feed(std::span<const std::byte> bytes);

  // The next whole frame, or nothing yet. kDataLoss: an unknown type, a length over
  // kMaxRelayPayload, or a payload where OPENED has none; the channel cannot be used any more, and
  // every later call fails alike.
  Result<std::optional<RelayFrame>> Next();

  // Bytes of a frame that is not whole yet.
  size_t pending_bytes() const { return buffer_.size() - consumed_; }

 private:
  std::string buffer_;
  size_t consumed_ = 0;
};

// Blocking, on a descriptor in blocking mode. Nothing: the channel ended between two frames.
// kDataLoss: as Next's, or it ended inside a frame.
Result<std::optional<RelayFrame>> ReadRelayFrame(int fd);
Status WriteRelayFrame(int fd, const RelayFrame& frame);

}  // namespace locket::rpc
