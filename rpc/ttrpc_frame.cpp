#include "rpc/ttrpc_frame.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/encoding.h"
#include "base/endian.h"

namespace locket::rpc {
namespace {

constexpr timeval kSendTimeout{.tv_sec = 30, .tv_usec = 0};

}  // namespace

std::string EncodeTtrpcFrame(const TtrpcFrame& frame) {
  std::string out;
  out.reserve(kTtrpcHeaderBytes + frame.payload.size());
  out += AsText(ToBigEndian(static_cast<uint32_t>(frame.payload.size())));
  out += AsText(ToBigEndian(frame.stream));
  out.push_back(static_cast<char>(frame.type));
  out.push_back(static_cast<char>(frame.flags));
  out += frame.payload;
  return out;
}

void TtrpcFrameDecoder::Feed(std::span<const std::byte> bytes) {
  const size_t skip = std::min<size_t>(left_to_skip_, bytes.size());
  left_to_skip_ -= static_cast<uint32_t>(skip);
  buffer_.erase(0, std::exchange(consumed_, 0));
  buffer_ += AsText(bytes.subspan(skip));
}

std::optional<TtrpcFrame> TtrpcFrameDecoder::Skip() {
  const size_t skip = std::min<size_t>(left_to_skip_, buffer_.size() - consumed_);
  left_to_skip_ -= static_cast<uint32_t>(skip);
  consumed_ += skip;
  if (left_to_skip_ > 0) return std::nullopt;
  return std::exchange(skipping_, std::nullopt);
}

std::optional<TtrpcFrame> TtrpcFrameDecoder::Next() {
  if (skipping_) return Skip();
  const std::string_view rest = std::string_view(buffer_).substr(consumed_);
  if (rest.size() < kTtrpcHeaderBytes) return std::nullopt;
  const uint32_t length = FromBigEndian<uint32_t>(AsBytes(rest));
  TtrpcFrame frame{.stream = FromBigEndian<uint32_t>(AsBytes(rest.substr(4))),
                   .type = static_cast<uint8_t>(rest[8]),
                   .flags = static_cast<uint8_t>(rest[9])};
  if (length > kMaxTtrpcPayload) {
    consumed_ += kTtrpcHeaderBytes;
    frame.oversize = length;
    skipping_ = std::move(frame);
    left_to_skip_ = length;
    return Skip();
  }
  if (rest.size() - kTtrpcHeaderBytes < length) return std::nullopt;
  frame.payload = rest.substr(kTtrpcHeaderBytes, length);
  consumed_ += kTtrpcHeaderBytes + length;
  return frame;
}

Status PrepareStream(const UniqueFd& fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
    return Error(ErrorCode::kInvalidArgument, "ttrpc stream: not a stream socket");
  }
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof(kSendTimeout)) != 0) {
    return Error::FromErrno(errno, "ttrpc stream: set the send timeout");
  }
  return Ok();
}

Status SendAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      return Error(ErrorCode::kDeadlineExceeded, "send: the peer reads nothing");
    }
    if (sent < 0) {
      return Error(ErrorCode::kUnavailable, Error::FromErrno(errno, "send").message());
    }
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return Ok();
}

}  // namespace locket::rpc
