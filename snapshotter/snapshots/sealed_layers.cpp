#include "snapshotter/snapshots/sealed_layers.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;

SealedBlob ToSealedBlob(const image::Descriptor& layer) {
  return {
      .digest = layer.digest.ToText(), .size_bytes = layer.size, .media_type = layer.media_type};
}

Result<image::Descriptor> DescriptorOf(const SealedBlob& layer) {
  LOCKET_TRY_ASSIGN(const image::Digest digest, image::Digest::FromText(layer.digest));
  return image::Descriptor{
      .media_type = layer.media_type, .digest = digest, .size = layer.size_bytes};
}

bool IsBottomOf(const Chain& chain, const image::Manifest& manifest) {
  if (chain.size() > manifest.layers.size()) return false;
  for (size_t i = 0; i < chain.size(); ++i) {
    if (chain[chain.size() - 1 - i]->layer != ToSealedBlob(manifest.layers[i])) return false;
  }
  return true;
}

bool AreLayersOf(const Chain& chain, const image::Manifest& manifest) {
  return chain.size() == manifest.layers.size() && IsBottomOf(chain, manifest);
}

Error OtherLayers(const std::string& manifest_digest) {
  return {ErrorCode::kFailedPrecondition,
          "its sealed manifest " + manifest_digest +
              " has other layers than those the container was created on: remove the image and "
              "pull it again"};
}

bool HasDocuments(const RootDirectory& root, const ImageSource& image) {
  std::error_code failed;
  return fs::exists(root.blob(image.manifest_digest), failed) &&
         fs::exists(root.blob(image.config_digest), failed);
}

}  // namespace locket::snapshotter
