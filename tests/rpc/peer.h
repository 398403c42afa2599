// The other end of a ttrpc connection, played by hand.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "proto/ttrpc.pb.h"
#include "rpc/ttrpc_frame.h"

namespace locket::rpc {

struct SocketPair {
  SocketPair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }
  UniqueFd ours;
  UniqueFd theirs;
};

inline void SendBytes(int fd, std::string_view bytes) {
  const auto sent = SendAll(fd, AsBytes(bytes));
  EXPECT_TRUE(sent.ok()) << sent.error().message();
}

// Nothing when the connection ended, cleanly or not.
inline std::optional<TtrpcFrame> ReadFrame(int fd) {
  std::string header(kTtrpcHeaderBytes, '\0');
  if (!ReadFull(fd, std::as_writable_bytes(std::span(header))).ok()) return std::nullopt;
  size_t length = 0;
  for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(header[i]);
  std::string payload(length, '\0');
  if (!ReadFull(fd, std::as_writable_bytes(std::span(payload))).ok()) return std::nullopt;
  TtrpcFrameDecoder decoder;
  decoder.Feed(AsBytes(header + payload));
  return decoder.Next();
}

inline std::string RequestFrame(uint32_t stream, std::string_view method, std::string payload = {},
                                int64_t timeout_nano = 0) {
  ttrpc::Request request;
  request.set_service("test.Echo");
  request.set_method(std::string(method));
  request.set_payload(std::move(payload));
  request.set_timeout_nano(timeout_nano);
  return EncodeTtrpcFrame(
      {.stream = stream, .type = kTtrpcRequest, .payload = request.SerializeAsString()});
}

inline std::string ResponseFrame(uint32_t stream, const ttrpc::KeyValue& answer) {
  ttrpc::Response response;
  response.set_payload(answer.SerializeAsString());
  return EncodeTtrpcFrame(
      {.stream = stream, .type = kTtrpcResponse, .payload = response.SerializeAsString()});
}

inline ttrpc::KeyValue Pair(std::string key, std::string value = {}) {
  ttrpc::KeyValue pair;
  pair.set_key(std::move(key));
  pair.set_value(std::move(value));
  return pair;
}

}  // namespace locket::rpc
