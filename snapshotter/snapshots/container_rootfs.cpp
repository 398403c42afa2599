// The half of Snapshots that finds out of which image a container is, and tells the shim.
// docs/decisions/0034-the-image-of-a-container.md says why only containerd knows.
#include "base/file.h"
#include "image/oci/media_type.h"
#include "image/sealed/rootfs_description.h"
#include "image/sealed/sealed_image.h"
#include "snapshotter/snapshots/snapshots.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace {

Error OtherLayers(const std::string& manifest_digest) {
  return {ErrorCode::kFailedPrecondition,
          "its sealed manifest " + manifest_digest +
              " has other layers than those the container was created on: remove the image and "
              "pull it again"};
}

}  // namespace

bool Snapshots::IsDescribed(const Snapshot& snapshot) const {
  const auto text =
      ReadFile(deps_.root.rootfs_json(snapshot.id), image::kMaxRootfsDescriptionBytes);
  if (!text.ok()) return false;
  const auto description = image::DecodeRootfsDescription(*text);
  return description.ok() &&
         description->manifest_digest.ToText() == snapshot.image->manifest_digest;
}

// Intention and outcome are one: the record. Before it the documents are kept, after it rootfs.json
// is written, which a kill in between leaves to the next Mounts or start-up.
Status Snapshots::IdentifyContainer(const Snapshot& snapshot, const Chain& chain,
                                    const Converter::GaveUp& gave_up) {
  const NameLocks::Hold hold(names_, {.exclusive = {snapshot.name}, .shared = {snapshot.parent}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr now, Get(snapshot.name));
  if (now->id != snapshot.id) {
    return Error(ErrorCode::kNotFound, "snapshot '" + snapshot.name + "' was replaced meanwhile");
  }
  if (now->image_known && HasDocuments(*now->image)) return DescribeRootfs(*now, chain);
  const auto chain_id = chain.front()->labels.find(std::string(kSnapshotRefLabel));
  if (chain_id == chain.front()->labels.end()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "snapshot '" + snapshot.parent + "' has lost its label " +
                     std::string(kSnapshotRefLabel) + ": remove the image and pull it again");
  }
  const std::string doing = "container of snapshot '" + snapshot.name + "'";
  LOCKET_TRY_ASSIGN(
      const auto found,
      FindContainerImage(deps_.containerd, snapshot.name, chain_id->second).While(doing));
  if (!found) return Ok();
  PassFailpoint("image-found");
  LOCKET_TRY_ASSIGN(const KeptImage kept,
                    KeepImage(*found, chain, gave_up).While("image '" + found->name + "'"));
  PassFailpoint("image-kept");
  if (now->image_known && now->image->manifest_digest != kept.source.manifest_digest) {
    return Error(ErrorCode::kFailedPrecondition,
                 doing + ": manifest " + now->image->manifest_digest +
                     " is gone, and its image has another now: create the container again");
  }
  Snapshot known = *now;
  known.image = kept.source;
  known.image_known = true;
  if (known != *now) LOCKET_TRY(Write({.put = {known}}));
  PassFailpoint("image-known");
  return DescribeRootfs(known, chain);
}

// The image that the topmost layer was pulled as a part of, if `ordinary` is what it was converted
// from. Nothing: it is another, or its documents are lost.
std::optional<Snapshots::KeptImage> Snapshots::PulledWith(const image::Digest& ordinary,
                                                          const Snapshot& top) const {
  const auto pulled = top.labels.find(std::string(kManifestDigestLabel));
  if (pulled == top.labels.end() || pulled->second != ordinary.ToText()) return std::nullopt;
  const std::vector<std::string> documents{top.image->manifest_digest, top.image->config_digest};
  auto pin = std::make_shared<const BlobCache::Pin>(deps_.blobs, documents);
  const auto text = deps_.blobs.Read(top.image->manifest_digest, image::kMaxManifestBytes);
  const auto config = deps_.blobs.Read(top.image->config_digest, image::kMaxConfigBytes);
  if (!text.ok() || !config.ok()) return std::nullopt;
  auto manifest = image::DecodeManifest(*text);
  if (!manifest.ok()) return std::nullopt;
  return KeptImage{.source = *top.image, .manifest = std::move(*manifest), .pins = {pin}};
}

Result<Snapshots::KeptImage> Snapshots::KeepImage(const ContainerImage& found, const Chain& chain,
                                                  const Converter::GaveUp& gave_up) {
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(found.manifest));
  // Of an image under its digest alone, the registry that its layers came from will have it.
  const std::string& reference =
      found.reference.empty() ? chain.front()->image->reference : found.reference;
  KeptImage kept{.source = {.reference = reference,
                            .manifest_digest = found.manifest_digest.ToText(),
                            .config_digest = manifest.config.digest.ToText()},
                 .manifest = manifest,
                 .pins = {}};
  if (image::ClaimsToBeSealed(manifest)) {
    LOCKET_TRY_ASSIGN(const image::ImageConfig config, image::DecodeImageConfig(found.config));
    LOCKET_TRY(image::CheckSealedImage(manifest, config));
    const std::vector<std::string> documents{kept.source.manifest_digest,
                                             kept.source.config_digest};
    kept.pins.push_back(std::make_shared<const BlobCache::Pin>(deps_.blobs, documents));
    LOCKET_TRY(deps_.blobs.Keep(kept.source.config_digest, found.config));
    LOCKET_TRY(deps_.blobs.Keep(kept.source.manifest_digest, found.manifest));
  } else if (auto pulled = PulledWith(found.manifest_digest, *chain.front())) {
    kept = std::move(*pulled);
  } else {
    LOCKET_TRY_ASSIGN(kept, KeepConverted({.reference = reference,
                                           .manifest_digest = found.manifest_digest,
                                           .manifest = manifest},
                                          found, gave_up));
  }
  if (kept.manifest.layers.size() != chain.size() || !IsBottomOf(chain, kept.manifest)) {
    return OtherLayers(kept.source.manifest_digest);
  }
  return kept;
}

// Of an ordinary image, what it was converted to.
Result<Snapshots::KeptImage> Snapshots::KeepConverted(const OrdinaryImage& image,
                                                      const ContainerImage& found,
                                                      const Converter::GaveUp& gave_up) {
  if (deps_.converter == nullptr || !deps_.converter->Converts(image.reference)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "it is not to be converted, but its layers were, as a part of another image: see "
                 "convert, convert_images and convert_except, or remove the images that have "
                 "these layers and pull this one again");
  }
  // The converter reads it from there.
  const std::string config = image.manifest.config.digest.ToText();
  const BlobCache::Pin pin(deps_.blobs, {config});
  LOCKET_TRY(deps_.blobs.Keep(config, found.config));
  LOCKET_TRY_ASSIGN(const auto converted, deps_.converter->Convert(image, gave_up));
  deps_.converter->Release(image.manifest_digest);
  return KeptImage{.source = {.reference = image.reference,
                              .manifest_digest = converted->manifest_digest.ToText(),
                              .config_digest = converted->manifest.config.digest.ToText()},
                   .manifest = converted->manifest,
                   .pins = converted->pins};
}

// Writes rootfs.json of a container whose image is known.
Status Snapshots::DescribeRootfs(const Snapshot& snapshot, const Chain& chain) {
  if (IsDescribed(snapshot)) return Ok();
  const ImageSource& source = *snapshot.image;
  LOCKET_TRY_ASSIGN(const std::string text,
                    deps_.blobs.Read(source.manifest_digest, image::kMaxManifestBytes));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(text));
  if (chain.size() != manifest.layers.size() || !IsBottomOf(chain, manifest)) {
    return OtherLayers(source.manifest_digest);
  }
  LOCKET_TRY_ASSIGN(const image::Digest manifest_digest,
                    image::Digest::FromText(source.manifest_digest));
  image::RootfsDescription description{.image_ref = source.reference,
                                       .manifest_digest = manifest_digest,
                                       .manifest_path = deps_.root.blob(source.manifest_digest),
                                       .config_digest = manifest.config.digest,
                                       .config_path = deps_.root.blob(source.config_digest),
                                       .layers = {}};
  for (const image::Descriptor& layer : manifest.layers) {
    const std::string digest = layer.digest.ToText();
    if (!deps_.blobs.Has(digest, layer.size)) {
      return Error(ErrorCode::kFailedPrecondition,
                   "blob " + digest + " of '" + source.reference +
                       "' is gone from the cache: remove the image and pull it again");
    }
    description.layers.push_back({.digest = layer.digest,
                                  .size = layer.size,
                                  .media_type = layer.media_type,
                                  .path = deps_.root.blob(digest)});
  }
  return ReplaceFileDurably(deps_.root.rootfs_json(snapshot.id),
                            image::EncodeRootfsDescription(description));
}

}  // namespace locket::snapshotter
