// Any bytes are refused, or decode to a packet that encodes and decodes to the same. The payload's
// reader sees the same bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/encoding.h"
#include "image/sealed/key_packet.h"
#include "image/sealed/layer_key_payload.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  const auto bytes = std::as_bytes(std::span(data, size));
  // Of JSON as well as of its base64, which the fuzzer would have to guess.
  for (const auto& text : {std::string(AsText(bytes)), Base64Encode(bytes)}) {
    const auto packet = image::DecodeKeyPacket(text);
    if (!packet.ok()) continue;
    const auto again = image::DecodeKeyPacket(image::EncodeKeyPacket(*packet));
    if (!again.ok() || *again != *packet) std::abort();
  }
  Secret payload(size);
  std::ranges::copy(bytes, payload.Reveal().begin());
  const auto key = image::DecodeLayerKeyPayload(payload);
  if (key.ok() && !image::DecodeLayerKeyPayload(image::EncodeLayerKeyPayload(*key)).ok()) {
    std::abort();
  }
  return 0;
}
