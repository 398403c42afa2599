// Any bytes are refused, or decode to what encodes and decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/manifest.h"
#include "image/sealed_image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::image;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = DecodeManifest(text); manifest.ok()) {
    const auto again = DecodeManifest(EncodeManifest(*manifest));
    if (!again.ok() || *again != *manifest) std::abort();
    for (const auto& layer : manifest->layers) {
      const auto info = ParseSealedLayerInfo(layer);
      if (!info.ok()) continue;
      const auto same = SealedLayerDescriptor(*info, layer.digest);
      if (!same.ok() || !ParseSealedLayerInfo(*same).ok()) std::abort();
    }
  }
  if (const auto index = DecodeIndex(text); index.ok()) {
    const auto again = DecodeIndex(EncodeIndex(*index));
    if (!again.ok() || *again != *index) std::abort();
  }
  return 0;
}
