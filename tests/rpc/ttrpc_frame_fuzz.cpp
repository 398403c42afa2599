// Any bytes, cut anywhere, are frames that encode back to the same bytes, but for oversize ones.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/encoding.h"
#include "rpc/ttrpc_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  if (size == 0) return 0;
  const std::string input(data + 1, data + size);
  const size_t cut = input.empty() ? 0 : data[0] % input.size();
  rpc::TtrpcFrameDecoder decoder;
  std::string again;
  bool oversize = false;
  for (const std::string& part : {input.substr(0, cut), input.substr(cut)}) {
    decoder.Feed(AsBytes(part));
    while (const auto frame = decoder.Next()) {
      if (frame->payload.size() > rpc::kMaxTtrpcPayload) std::abort();
      if (frame->oversize != 0 && frame->oversize <= rpc::kMaxTtrpcPayload) std::abort();
      oversize = oversize || frame->oversize != 0;
      again += rpc::EncodeTtrpcFrame(*frame);
    }
  }
  if (oversize) return 0;
  if (input.substr(0, again.size()) != again) std::abort();
  if (again.size() < input.size() && !decoder.inside_frame()) std::abort();
  return 0;
}
