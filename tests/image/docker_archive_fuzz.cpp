// Any bytes are refused, or hold images within bounds, each found by its own name.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/docker_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::image;
  const auto images = DecodeDockerArchiveManifest({reinterpret_cast<const char*>(data), size});
  if (!images.ok()) return 0;
  for (const auto& image : *images) {
    if (image.layers.size() > 128) std::abort();
    for (const auto& tag : image.repo_tags) {
      if (!tag.empty() && !SelectDockerImage(*images, tag).ok()) std::abort();
    }
  }
  return 0;
}
