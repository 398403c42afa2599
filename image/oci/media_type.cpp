#include "image/oci/media_type.h"

namespace locket::image {

bool IsManifest(std::string_view media_type) {
  return media_type == kOciManifest || media_type == kDockerManifest;
}

bool IsIndex(std::string_view media_type) {
  return media_type == kOciIndex || media_type == kDockerIndex;
}

bool IsConfig(std::string_view media_type) {
  // Those after the first two stand on images of registries of 2016 (docker/distribution#1621).
  return media_type == kOciConfig || media_type == kDockerConfig || media_type.empty() ||
         media_type == "application/octet-stream" || media_type == "application/json" ||
         media_type == "text/html";
}

bool IsSealedLayer(std::string_view media_type) {
  return media_type == kSealedLayer || media_type == kSealedLayerEncrypted;
}

bool IsEncrypted(std::string_view media_type) { return media_type.ends_with("+encrypted"); }

bool IsTarLayer(std::string_view media_type) {
  return media_type == kOciLayerTar || media_type == kOciLayerGzip || media_type == kOciLayerZstd ||
         media_type == kDockerLayerTar || media_type == kDockerLayerGzip ||
         media_type == kDockerLayerZstd;
}

bool IsNotDistributable(std::string_view media_type) {
  return media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}

}  // namespace locket::image
