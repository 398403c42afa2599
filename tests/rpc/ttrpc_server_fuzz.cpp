// A server takes any bytes: it ends with the peer, and what it answers is whole frames of
// responses.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/encoding.h"
#include "proto/ttrpc.pb.h"
#include "rpc/ttrpc_frame.h"
#include "rpc/ttrpc_server.h"

namespace {

using namespace locket;

void CheckAnswers(int fd) {
  rpc::TtrpcFrameDecoder decoder;
  std::array<std::byte, 65536> bytes;
  for (ssize_t got = 0; (got = ::read(fd, bytes.data(), bytes.size())) > 0;) {
    decoder.Feed(std::span(bytes).first(static_cast<size_t>(got)));
    while (const auto frame = decoder.Next()) {
      ttrpc::Response response;
      if (frame->type != rpc::kTtrpcResponse || frame->oversize != 0) std::abort();
      if (!response.ParseFromString(frame->payload)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // No more than the sockets hold, both ways: the test reads only when the server has ended.
  if (size > 512) return 0;
  static rpc::TtrpcMethods methods;
  methods.Add<ttrpc::KeyValue, ttrpc::KeyValue>(
      "s", "m", [](const rpc::CallContext&, const auto& request, auto* response) {
        *response = request;
        return Ok();
      });
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::abort();
  const UniqueFd peer(ends[0]);
  const std::string_view input = AsText(std::as_bytes(std::span(data, size)));
  if (!rpc::SendAll(peer.get(), AsBytes(input)).ok()) std::abort();
  ::shutdown(peer.get(), SHUT_WR);
  {
    const auto server = rpc::TtrpcServer::Create(methods);
    (void)server->ServeHere(UniqueFd(ends[1]));
  }
  CheckAnswers(peer.get());
  return 0;
}
