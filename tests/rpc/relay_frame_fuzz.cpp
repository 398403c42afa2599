// Any bytes, cut anywhere, decode to an error or to frames that encode back to the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/encoding.h"
#include "rpc/relay_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  if (size == 0) return 0;
  const std::string input(data + 1, data + size);
  const size_t cut = input.empty() ? 0 : data[0] % input.size();
  rpc::RelayFrameDecoder decoder;
  std::string again;
  for (const std::string& part : {input.substr(0, cut), input.substr(cut)}) {
    decoder.Feed(AsBytes(part));
    while (true) {
      auto frame = decoder.Next();
      if (!frame.ok()) return 0;
      if (!*frame) break;
      again += *rpc::EncodeRelayFrame(**frame);
    }
  }
  if (input.substr(0, again.size()) != again) std::abort();
  if (again.size() + decoder.pending_bytes() != input.size()) std::abort();
  return 0;
}
