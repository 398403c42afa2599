#include "snapshotter/snapshots/rootfs_descriptions.h"

#include "base/file.h"
#include "image/sealed/rootfs_description.h"
#include "snapshotter/snapshots/sealed_layers.h"

namespace locket::snapshotter {

bool RootfsDescriptions::IsWritten(const Snapshot& snapshot) const {
  const auto text = ReadFile(root_.rootfs_json(snapshot.id), image::kMaxRootfsDescriptionBytes);
  if (!text.ok()) return false;
  const auto description = image::DecodeRootfsDescription(*text);
  return description.ok() &&
         description->manifest_digest.ToText() == snapshot.image->manifest_digest;
}

Status RootfsDescriptions::Write(const Snapshot& snapshot, const Chain& chain) const {
  if (IsWritten(snapshot)) return Ok();
  const ImageSource& source = *snapshot.image;
  LOCKET_TRY_ASSIGN(const std::string text,
                    blobs_.Read(source.manifest_digest, image::kMaxManifestBytes));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(text));
  if (!AreLayersOf(chain, manifest)) return OtherLayers(source.manifest_digest);
  LOCKET_TRY_ASSIGN(const image::Digest manifest_digest,
                    image::Digest::FromText(source.manifest_digest));
  image::RootfsDescription description{.image_ref = source.reference,
                                       .manifest_digest = manifest_digest,
                                       .manifest_path = root_.blob(source.manifest_digest),
                                       .config_digest = manifest.config.digest,
                                       .config_path = root_.blob(source.config_digest),
                                       .layers = {}};
  for (const image::Descriptor& layer : manifest.layers) {
    const std::string digest = layer.digest.ToText();
    if (!blobs_.Has(digest, layer.size)) {
      return Error(ErrorCode::kFailedPrecondition,
                   "blob " + digest + " of '" + source.reference +
                       "' is gone from the cache: remove the image and pull it again");
    }
    description.layers.push_back({.digest = layer.digest,
                                  .size = layer.size,
                                  .media_type = layer.media_type,
                                  .path = root_.blob(digest)});
  }
  return ReplaceFileDurably(root_.rootfs_json(snapshot.id),
                            image::EncodeRootfsDescription(description));
}

}  // namespace locket::snapshotter
