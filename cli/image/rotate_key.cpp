#include "cli/image/rotate_key.h"

#include <utility>

#include "image/oci/manifest.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace {

// Nothing: the layer's packet is none of those meant.
Result<std::optional<std::string>> Rotate(const image::Descriptor& layer,
                                          const RotateOptions& options) {
  LOCKET_TRY_ASSIGN(const auto info, image::ParseSealedLayerInfo(layer));
  if (!info.encrypted()) return std::optional<std::string>();
  LOCKET_TRY_ASSIGN(const auto packet, image::DecodeKeyPacket(info.key_packet));
  if (options.only_under && packet.kid != *options.only_under) return std::optional<std::string>();
  LOCKET_TRY_ASSIGN(Secret key,
                    image::UnwrapLayerKeyFor(options.old_kek, packet, info.identity)
                        .While("open its key packet, under '" + packet.kid.ToUri() + "'"));
  LOCKET_TRY_ASSIGN(
      std::string wrapped,
      WrapKey(options.new_kek, options.key_id, {.key = std::move(key), .identity = info.identity}));
  return std::optional(std::move(wrapped));
}

}  // namespace

Result<std::string> RotateManifest(const image::ManifestContent& content,
                                   const RotateOptions& options) {
  LOCKET_TRY_ASSIGN(image::Manifest manifest, image::DecodeManifest(content.bytes));
  if (!image::ClaimsToBeSealed(manifest)) {
    return Error(ErrorCode::kFailedPrecondition, "the image is not sealed");
  }
  size_t rotated = 0;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    auto& layer = manifest.layers[i];
    LOCKET_TRY_ASSIGN(
        auto packet, Rotate(layer, options)
                         .While("layer " + std::to_string(i) + " (" + layer.digest.ToText() + ")"));
    if (!packet) continue;
    layer.annotations[std::string(image::kKeyPacketAnnotation)] = std::move(*packet);
    ++rotated;
  }
  if (rotated > 0) return image::EncodeManifest(manifest);
  return Error(ErrorCode::kFailedPrecondition,
               options.only_under
                   ? "no layer is encrypted under '" + options.only_under->ToUri() + "'"
                   : "no layer is encrypted, so there is no key to rotate");
}

Result<std::string> WrapKey(const Secret& kek, const ResourceName& key_id,
                            const image::LayerKey& key) {
  LOCKET_TRY_ASSIGN(const auto packet, image::WrapLayerKey(kek, key_id, key));
  return image::EncodeKeyPacket(packet);
}

}  // namespace locket::cli
