// ttrpc's frames: `u32 length | u32 stream | u8 type | u8 flags | payload`, big-endian. Both ends
// of the connection use this; ttrpc_client.h and ttrpc_server.h are what callers want.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::rpc {

inline constexpr size_t kTtrpcHeaderBytes = 10;
inline constexpr size_t kMaxTtrpcPayload = 4U << 20;

inline constexpr uint8_t kTtrpcRequest = 1;
inline constexpr uint8_t kTtrpcResponse = 2;
inline constexpr uint8_t kTtrpcData = 3;

inline constexpr uint8_t kTtrpcRemoteOpen = 2;  // flag of a request that opens a stream of messages

struct TtrpcFrame {
  uint32_t stream;
  uint8_t type;  // others than the three above are possible
  uint8_t flags = 0;
  std::string payload{};
  uint32_t oversize = 0;  // the announced length, when it is over the limit; the payload is empty
  bool operator==(const TtrpcFrame&) const = default;
};

// `payload` is at most kMaxTtrpcPayload bytes.
std::string EncodeTtrpcFrame(const TtrpcFrame& frame);

// Cuts a byte stream into frames. Every byte string is some sequence of frames: one that announces
// more than the limit is skipped and told as `oversize`. Holds at most one frame plus one Feed.
class TtrpcFrameDecoder {
 public:
  void Feed(std::span<const std::byte> bytes);

  // The next whole frame, or nothing yet.
  std::optional<TtrpcFrame> Next();

  // Whether a frame has begun and not ended.
  bool inside_frame() const { return skipping_ || consumed_ < buffer_.size(); }

 private:
  std::optional<TtrpcFrame> Skip();

  std::string buffer_;
  size_t consumed_ = 0;
  std::optional<TtrpcFrame> skipping_;  // the oversize frame being skipped
  uint32_t left_to_skip_ = 0;
};

// Fails unless `fd` is a stream socket; sets it up so that SendAll gives up on a peer that has read
// nothing for 30 s.
Status PrepareStream(const UniqueFd& fd);

// Sends all of `bytes`, without SIGPIPE. kUnavailable: the peer is gone.
// kDeadlineExceeded: it has read nothing for 30 s; part of `bytes` may be out.
Status SendAll(int fd, std::span<const std::byte> bytes);

}  // namespace locket::rpc
