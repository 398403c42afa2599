#include "image/media_type.h"

namespace locket::image {

bool IsManifest(std::string_view media_type) {
  return media_type == kOciManifest || media_type == kDockerManifest;
}

bool IsIndex(std::string_view media_type) {
  return media_type == kOciIndex || media_type == kDockerIndex;
}

bool IsConfig(std::string_view media_type) {
  return media_type == kOciConfig || media_type == kDockerConfig;
}

bool IsSealedLayer(std::string_view media_type) {
  return media_type == kSealedLayer || media_type == kSealedLayerEncrypted;
}

bool IsEncrypted(std::string_view media_type) { return media_type.ends_with("+encrypted"); }

bool IsTarLayer(std::string_view media_type) {
  return media_type == kOciLayerTar || media_type == kOciLayerGzip || media_type == kOciLayerZstd ||
         media_type == kDockerLayerTar || media_type == kDockerLayerGzip;
}

}  // namespace locket::image
