#include "snapshotter/snapshots/cri_labels.h"

namespace locket::snapshotter {

Result<std::optional<CriLabels>> ParseCriLabels(const Labels& labels) {
  const auto image_ref = labels.find(std::string(kImageRefLabel));
  const auto manifest = labels.find(std::string(kManifestDigestLabel));
  const auto layer = labels.find(std::string(kLayerDigestLabel));
  if (image_ref == labels.end() || manifest == labels.end() || layer == labels.end()) {
    return std::optional<CriLabels>();
  }
  LOCKET_TRY_ASSIGN(const image::Digest manifest_digest,
                    image::Digest::FromText(manifest->second).While("label cri.manifest-digest"));
  LOCKET_TRY_ASSIGN(const image::Digest layer_digest,
                    image::Digest::FromText(layer->second).While("label cri.layer-digest"));
  return std::optional(CriLabels{.image_ref = image_ref->second,
                                 .manifest_digest = manifest_digest,
                                 .layer_digest = layer_digest});
}

}  // namespace locket::snapshotter
