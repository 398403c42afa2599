// Any bytes are refused, or decode to what encodes and decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/oci/manifest.h"
#include "image/oci/user.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::image;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto config = DecodeImageConfig(text); config.ok()) {
    const auto again = DecodeImageConfig(EncodeImageConfig(*config));
    if (!again.ok() || *again != *config) std::abort();
  }
  const auto user = ResolveUser(text.substr(0, 8), text, text);
  if (user.ok() && !ParseNumericUser(user->ToText()).ok()) std::abort();
  return 0;
}
