// Any bytes are refused, or decode to what encodes and decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/oci/manifest.h"
#include "image/sealed/sealed_image.h"

namespace {

// What an entry says of its platform serves that platform best, and is ranked without harm.
void CheckPlatform(const locket::image::Descriptor& entry) {
  if (!entry.platform) return;
  static_cast<void>(PlatformRank(locket::image::HostPlatform(), *entry.platform));
  const auto rank = PlatformRank(*entry.platform, *entry.platform);
  if (entry.platform->os_features.empty() ? rank != 0U : rank.has_value()) std::abort();
}

}  // namespace

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
    for (const auto& entry : index->manifests) CheckPlatform(entry);
  }
  return 0;
}
