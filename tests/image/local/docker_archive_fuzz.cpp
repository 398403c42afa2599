// Any bytes are refused, or hold images within bounds, each found by its own name. A layer of
// before Docker 1.10 gives no file name that leads elsewhere, and a config that is read.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "image/local/docker_archive.h"
#include "image/oci/manifest.h"

namespace {

using namespace locket::image;

void CheckImages(const locket::Result<std::vector<DockerArchiveImage>>& images) {
  if (!images.ok()) return;
  for (const auto& image : *images) {
    if (image.layers.size() > kMaxLayers) std::abort();
    for (const auto& tag : image.repo_tags) {
      if (!tag.empty() && !SelectDockerImage(*images, tag).ok()) std::abort();
    }
  }
}

bool IsOneName(std::string_view id) { return id.find_first_of("/.\\") == std::string_view::npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckImages(DecodeDockerArchiveManifest(text));
  const auto legacy = DecodeDockerRepositories(text);
  CheckImages(legacy);
  if (legacy.ok()) {
    for (const auto& image : *legacy) {
      if (!IsOneName(image.config)) std::abort();
    }
  }
  const auto parent = ParentOfLegacyLayer(text);
  if (parent.ok() && !IsOneName(*parent)) std::abort();
  const std::vector<Digest> diff_ids{Digest::Of("layer")};
  const auto config = ConfigOfLegacyLayer(text, diff_ids);
  if (!config.ok()) return 0;
  const auto read = DecodeImageConfig(*config);
  if (read.ok() && read->diff_ids != diff_ids) std::abort();
  return 0;
}
