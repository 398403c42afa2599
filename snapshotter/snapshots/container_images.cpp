#include "snapshotter/snapshots/container_images.h"

#include "image/oci/media_type.h"
#include "image/sealed/sealed_image.h"
#include "snapshotter/snapshots/sealed_layers.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {

Result<std::optional<KeptImage>> ContainerImages::Find(const Snapshot& snapshot, const Chain& chain,
                                                       const Converter::GaveUp& gave_up) {
  const auto chain_id = chain.front()->labels.find(std::string(kSnapshotRefLabel));
  if (chain_id == chain.front()->labels.end()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "snapshot '" + snapshot.parent + "' has lost its label " +
                     std::string(kSnapshotRefLabel) + ": remove the image and pull it again");
  }
  LOCKET_TRY_ASSIGN(const auto found,
                    FindContainerImage(containerd_, snapshot.name, chain_id->second)
                        .While("container of snapshot '" + snapshot.name + "'"));
  if (!found) return std::optional<KeptImage>();
  PassFailpoint("image-found");
  LOCKET_TRY_ASSIGN(KeptImage kept,
                    Keep(*found, chain, gave_up).While("image '" + found->name + "'"));
  PassFailpoint("image-kept");
  return std::optional(std::move(kept));
}

Result<KeptImage> ContainerImages::Keep(const ContainerImage& found, const Chain& chain,
                                        const Converter::GaveUp& gave_up) {
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(found.manifest));
  // Of an image under its digest alone, the registry that its layers came from will have it.
  const std::string& reference =
      found.reference.empty() ? chain.front()->image->reference : found.reference;
  std::optional<KeptImage> kept;
  if (image::ClaimsToBeSealed(manifest)) {
    LOCKET_TRY_ASSIGN(kept, KeepSealed(found, reference, manifest));
  } else {
    kept = PulledWith(found.manifest_digest, *chain.front());
  }
  if (!kept) {
    LOCKET_TRY_ASSIGN(kept, KeepConverted({.reference = reference,
                                           .manifest_digest = found.manifest_digest,
                                           .manifest = manifest},
                                          found, gave_up));
  }
  if (!AreLayersOf(chain, kept->manifest)) return OtherLayers(kept->source.manifest_digest);
  return std::move(*kept);
}

Result<KeptImage> ContainerImages::KeepSealed(const ContainerImage& found,
                                              const std::string& reference,
                                              const image::Manifest& manifest) {
  LOCKET_TRY_ASSIGN(const image::ImageConfig config, image::DecodeImageConfig(found.config));
  LOCKET_TRY(image::CheckSealedImage(manifest, config));
  KeptImage kept{.source = {.reference = reference,
                            .manifest_digest = found.manifest_digest.ToText(),
                            .config_digest = manifest.config.digest.ToText()},
                 .manifest = manifest};
  const std::vector<std::string> documents{kept.source.manifest_digest, kept.source.config_digest};
  kept.pins.push_back(std::make_shared<const BlobCache::Pin>(blobs_, documents));
  LOCKET_TRY(blobs_.Keep(kept.source.config_digest, found.config));
  LOCKET_TRY(blobs_.Keep(kept.source.manifest_digest, found.manifest));
  return kept;
}

// The image that the topmost layer was pulled as a part of, if `ordinary` is what it was converted
// from. Nothing: it is another, or its documents are lost.
std::optional<KeptImage> ContainerImages::PulledWith(const image::Digest& ordinary,
                                                     const Snapshot& top) const {
  const auto pulled = top.labels.find(std::string(kManifestDigestLabel));
  if (pulled == top.labels.end() || pulled->second != ordinary.ToText()) return std::nullopt;
  const std::vector<std::string> documents{top.image->manifest_digest, top.image->config_digest};
  auto pin = std::make_shared<const BlobCache::Pin>(blobs_, documents);
  const auto text = blobs_.Read(top.image->manifest_digest, image::kMaxManifestBytes);
  const auto config = blobs_.Read(top.image->config_digest, image::kMaxConfigBytes);
  if (!text.ok() || !config.ok()) return std::nullopt;
  auto manifest = image::DecodeManifest(*text);
  if (!manifest.ok()) return std::nullopt;
  return KeptImage{.source = *top.image, .manifest = std::move(*manifest), .pins = {pin}};
}

// Of an ordinary image, what it was converted to.
Result<KeptImage> ContainerImages::KeepConverted(const OrdinaryImage& image,
                                                 const ContainerImage& found,
                                                 const Converter::GaveUp& gave_up) {
  if (converter_ == nullptr || !converter_->Converts(image.reference)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "it is not to be converted, but its layers were, as a part of another image: see "
                 "convert, convert_images and convert_except, or remove the images that have "
                 "these layers and pull this one again");
  }
  // The converter reads it from there.
  const std::string config = image.manifest.config.digest.ToText();
  const BlobCache::Pin pin(blobs_, {config});
  LOCKET_TRY(blobs_.Keep(config, found.config));
  LOCKET_TRY_ASSIGN(const auto converted, converter_->Convert(image, gave_up));
  converter_->Release(image.manifest_digest);
  return KeptImage{.source = {.reference = image.reference,
                              .manifest_digest = converted->manifest_digest.ToText(),
                              .config_digest = converted->manifest.config.digest.ToText()},
                   .manifest = converted->manifest,
                   .pins = converted->pins};
}

}  // namespace locket::snapshotter
