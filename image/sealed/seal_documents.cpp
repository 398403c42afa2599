#include "image/sealed/seal_documents.h"

#include <set>

#include "image/oci/media_type.h"
#include "image/sealed/sealed_image.h"

namespace locket::image {

Status CheckNotForeign(const Descriptor& layer) {
  if (!IsNotDistributable(layer.media_type)) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "a foreign layer ('" + layer.media_type +
                   "'), whose bytes are at its 'urls' and not with the image; build the image on "
                   "a base without such layers, or with its layers pushed as ordinary ones");
}

Status CheckCanBeSealed(const Manifest& manifest, const ImageConfig& config) {
  if (ClaimsToBeSealed(manifest)) {
    return Error(ErrorCode::kFailedPrecondition, "the image is sealed already");
  }
  if (manifest.layers.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the image has no layers");
  }
  if (manifest.layers.size() != config.diff_ids.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the manifest has " + std::to_string(manifest.layers.size()) +
                     " layers, the config " + std::to_string(config.diff_ids.size()));
  }
  const std::set<Digest> different(config.diff_ids.begin(), config.diff_ids.end());
  if (different.size() > kMaxDifferentLayers) {
    return Error(ErrorCode::kInvalidArgument, "the image has " + std::to_string(different.size()) +
                                                  " different layers, and a guest mounts at most " +
                                                  std::to_string(kMaxDifferentLayers) +
                                                  ": build it with fewer");
  }
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    if (IsTarLayer(layer.media_type)) continue;
    LOCKET_TRY(CheckNotForeign(layer).While("layer " + std::to_string(i)));
    return Error(ErrorCode::kInvalidArgument, "layer " + std::to_string(i) + ": media type '" +
                                                  layer.media_type +
                                                  "' is no tar layer that can be sealed");
  }
  return Ok();
}

Result<SealedDocuments> MakeSealedDocuments(const Manifest& manifest, const ImageConfig& config,
                                            const std::vector<Descriptor>& layers,
                                            const std::string& user) {
  ImageConfig sealed_config = config;
  sealed_config.user = user;
  sealed_config.diff_ids.clear();
  for (const Descriptor& layer : layers) sealed_config.diff_ids.push_back(layer.digest);
  std::string config_bytes = EncodeImageConfig(sealed_config);
  Manifest sealed{.media_type = std::string(kOciManifest),
                  .config = DescriptorOf(kOciConfig, config_bytes),
                  .layers = layers,
                  .artifact_type = manifest.artifact_type,
                  .annotations = manifest.annotations,
                  .extra = manifest.extra};
  sealed.annotations[std::string(kVersionAnnotation)] = "1";
  LOCKET_TRY(CheckSealedImage(sealed, sealed_config).While("check what was made"));
  std::string manifest_bytes = EncodeManifest(sealed);
  return SealedDocuments{.manifest = DescriptorOf(kOciManifest, manifest_bytes),
                         .config = sealed.config,
                         .manifest_bytes = std::move(manifest_bytes),
                         .config_bytes = std::move(config_bytes)};
}

}  // namespace locket::image
