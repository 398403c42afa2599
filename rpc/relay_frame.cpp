#include "rpc/relay_frame.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/encoding.h"
#include "base/endian.h"
#include "base/file.h"

namespace locket::rpc {
namespace {

struct Header {
  RelayType type;
  uint32_t stream;
  uint32_t length;
};

Result<Header> DecodeHeader(std::string_view bytes) {
  const auto type = static_cast<uint8_t>(bytes[0]);
  const uint32_t length = FromLittleEndian<uint32_t>(AsBytes(bytes.substr(5)));
  if (type < 1 || type > 4) {
    return Error(ErrorCode::kDataLoss, "relay frame of unknown type " + std::to_string(type));
  }
  if (length > kMaxRelayPayload) {
    return Error(ErrorCode::kDataLoss, "relay frame of " + std::to_string(length) +
                                           " bytes, more than " + std::to_string(kMaxRelayPayload));
  }
  const Header header{static_cast<RelayType>(type),
                      FromLittleEndian<uint32_t>(AsBytes(bytes.substr(1))), length};
  if (header.type == RelayType::kOpened && length != 0) {
    return Error(ErrorCode::kDataLoss, "relay frame OPENED carries a payload");
  }
  return header;
}

// Bytes read: `out.size()`, or fewer when the channel ended.
Result<size_t> ReadUpTo(int fd, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::read(fd, out.data() + done, out.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, "read relay frame");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace

Result<std::string> EncodeRelayFrame(const RelayFrame& frame) {
  if (frame.payload.size() > kMaxRelayPayload) {
    return Error(ErrorCode::kInvalidArgument,
                 "relay payload of " + std::to_string(frame.payload.size()) + " bytes, more than " +
                     std::to_string(kMaxRelayPayload));
  }
  std::string out;
  out.reserve(kRelayHeaderBytes + frame.payload.size());
  out.push_back(static_cast<char>(frame.type));
  out += AsText(ToLittleEndian(frame.stream));
  out += AsText(ToLittleEndian(static_cast<uint32_t>(frame.payload.size())));
  out += frame.payload;
  return out;
}

void RelayFrameDecoder::Feed(std::span<const std::byte> bytes) {
  buffer_.erase(0, std::exchange(consumed_, 0));
  buffer_ += AsText(bytes);
}

Result<std::optional<RelayFrame>> RelayFrameDecoder::Next() {
  const std::string_view rest = std::string_view(buffer_).substr(consumed_);
  if (rest.size() < kRelayHeaderBytes) return std::optional<RelayFrame>();
  LOCKET_TRY_ASSIGN(const Header header, DecodeHeader(rest));
  const size_t total = kRelayHeaderBytes + header.length;
  if (rest.size() < total) return std::optional<RelayFrame>();
  consumed_ += total;
  return std::optional<RelayFrame>(
      {header.type, header.stream, std::string(rest.substr(kRelayHeaderBytes, header.length))});
}

Result<std::optional<RelayFrame>> ReadRelayFrame(int fd) {
  std::array<std::byte, kRelayHeaderBytes> bytes{};
  LOCKET_TRY_ASSIGN(const size_t got, ReadUpTo(fd, bytes));
  if (got == 0) return std::optional<RelayFrame>();
  if (got < bytes.size()) return Error(ErrorCode::kDataLoss, "relay ended inside a frame");
  LOCKET_TRY_ASSIGN(const Header header, DecodeHeader(AsText(bytes)));
  std::string payload(header.length, '\0');
  LOCKET_TRY_ASSIGN(const size_t body, ReadUpTo(fd, std::as_writable_bytes(std::span(payload))));
  if (body < payload.size()) return Error(ErrorCode::kDataLoss, "relay ended inside a frame");
  return std::optional<RelayFrame>({header.type, header.stream, std::move(payload)});
}

Status WriteRelayFrame(int fd, const RelayFrame& frame) {
  LOCKET_TRY_ASSIGN(const std::string bytes, EncodeRelayFrame(frame));
  return WriteFull(fd, AsBytes(bytes)).While("write relay frame");
}

}  // namespace locket::rpc
