#include "guest-mounter/image_policy.h"

#include <algorithm>

namespace locket::guest_mounter {
namespace {

// Every layer has a key packet, which vouches for it once it is opened.
Status CheckKeyed(const AcceptedImage& image) {
  const std::string digest = image.manifest_digest.ToText();
  for (const AcceptedLayer& layer : image.layers) {
    if (layer.info.encrypted()) continue;
    return Error(ErrorCode::kPermissionDenied,
                 "image " + digest +
                     " is not among the allowed digests of the initdata, and its layer " +
                     layer.digest.ToText() + " has no key packet that could vouch for it");
  }
  return Ok();
}

}  // namespace

Result<AcceptedImage> CheckImage(const initdata::GuestPolicy& policy,
                                 std::string_view manifest_bytes, std::string_view config_bytes) {
  if (manifest_bytes.size() > image::kMaxManifestBytes ||
      config_bytes.size() > image::kMaxConfigBytes) {
    return Error(ErrorCode::kInvalidArgument, "manifest or config is too large");
  }
  const auto digest = image::Digest::Of(manifest_bytes);
  const auto& allowed = policy.allowed_digests;
  const bool pinned = std::find(allowed.begin(), allowed.end(), digest) != allowed.end();
  // First: what the policy refuses by its digest alone is not even decoded.
  if (!pinned && !policy.allow_keyed) {
    return Error(ErrorCode::kPermissionDenied, "image " + digest.ToText() +
                                                   " is not among the allowed digests of the "
                                                   "initdata");
  }
  LOCKET_TRY_ASSIGN(const auto manifest, image::DecodeManifest(manifest_bytes));
  if (image::Digest::Of(config_bytes) != manifest.config.digest) {
    return Error(ErrorCode::kDataLoss, "the config is not the one of manifest " + digest.ToText());
  }
  LOCKET_TRY_ASSIGN(auto config, image::DecodeImageConfig(config_bytes));
  LOCKET_TRY_ASSIGN(auto infos, image::CheckSealedImage(manifest, config));
  AcceptedImage image{
      .manifest_digest = digest, .config = std::move(config), .layers = {}, .pinned = pinned};
  for (size_t i = 0; i < infos.size(); ++i) {
    image.layers.push_back({.digest = manifest.layers[i].digest,
                            .blob_size = manifest.layers[i].size,
                            .info = std::move(infos[i])});
  }
  if (!pinned) LOCKET_TRY(CheckKeyed(image));
  return image;
}

}  // namespace locket::guest_mounter
