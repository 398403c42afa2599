// Any text is refused, or is the one text that its bytes encode to.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = HexDecode(text); bytes.ok() && HexEncode(*bytes) != text) std::abort();
  if (const auto bytes = Base64Decode(text); bytes.ok() && Base64Encode(*bytes) != text) {
    std::abort();
  }
  if (const auto bytes = Base64UrlDecode(text); bytes.ok() && Base64UrlEncode(*bytes) != text) {
    std::abort();
  }
  return 0;
}
