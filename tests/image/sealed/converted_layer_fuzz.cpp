// Any bytes are refused, or decode to what encodes and decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/sealed/converted_layer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::image;
  const auto decoded = DecodeConvertedLayer({reinterpret_cast<const char*>(data), size});
  if (!decoded.ok()) return 0;
  const auto again = DecodeConvertedLayer(EncodeConvertedLayer(*decoded));
  if (!again.ok() || *again != *decoded) std::abort();
  return 0;
}
