#include "cli/image/check_image.h"

#include "cli/image/layer_image.h"
#include "image/oci/media_type.h"
#include "image/sealed/key_packet.h"
#include "image/sealed/sealed_image.h"
#include "verity/verify_layer.h"

namespace locket::cli {
namespace {

Status OpenKeyPacket(const Secret& kek, const image::SealedLayerInfo& info) {
  LOCKET_TRY_ASSIGN(const auto packet, image::DecodeKeyPacket(info.key_packet));
  LOCKET_TRY(image::UnwrapLayerKeyFor(kek, packet, info.identity));
  return Ok();
}

Status VerifyOne(image::ImageSource& source, const image::Descriptor& layer,
                 const image::SealedLayerInfo& info, const VerifyImageOptions& options,
                 Progress& progress) {
  // First, as it costs no download.
  if (options.kek != nullptr && info.encrypted()) {
    LOCKET_TRY(OpenKeyPacket(*options.kek, info).While("open its key packet"));
  }
  LOCKET_TRY_ASSIGN(const UniqueFd fd, source.OpenBlobFile(layer).While("fetch"));
  const auto checked = [&](uint64_t first_block, std::span<std::byte> blocks) -> Status {
    if (options.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    progress.Update(first_block * verity::kBlockSize + blocks.size());
    return Ok();
  };
  return verity::VerifyLayer(fd.get(), info.identity, checked).While("dm-verity");
}

// An image or an artifact, whose config may be anything.
Status VerifyOrdinary(image::ImageSource& source, const image::Manifest& manifest,
                      const VerifyImageOptions& options, Progress& progress) {
  const auto& layers = manifest.layers;
  LOCKET_TRY(source.OpenBlobFile(manifest.config).While("config"));
  for (size_t i = 0; i < layers.size(); ++i) {
    progress.Start("layer " + std::to_string(i + 1) + " of " + std::to_string(layers.size()),
                   layers[i].size);
    if (options.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    auto fetched = source.OpenBlobFile(layers[i]);
    if (!fetched.ok()) {
      progress.Clear();
      const bool foreign = image::IsNotDistributable(layers[i].media_type);
      return std::move(fetched).error().While(
          LayerText(manifest, i) +
          (foreign ? " (a foreign layer, which the source does not have to have)" : ""));
    }
    progress.Finish("digest is right, not sealed");
  }
  return Ok();
}

}  // namespace

Status VerifyImage(image::ImageSource& source, const VerifyImageOptions& options,
                   Progress& progress) {
  LOCKET_TRY_ASSIGN(auto content, source.GetManifest());
  LOCKET_TRY_ASSIGN(const auto manifest, image::DecodeManifest(content.bytes).While("manifest"));
  const bool sealed = image::ClaimsToBeSealed(manifest);
  if (!sealed && options.ordinary_too) return VerifyOrdinary(source, manifest, options, progress);
  if (!sealed) {
    return Error(ErrorCode::kFailedPrecondition, "the image is not sealed");
  }
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadDocuments(source, std::move(content)));
  LOCKET_TRY_ASSIGN(const auto infos, image::CheckSealedImage(image.manifest, image.config));
  for (size_t i = 0; i < infos.size(); ++i) {
    const auto& layer = image.manifest.layers[i];
    progress.Start("layer " + std::to_string(i + 1) + " of " + std::to_string(infos.size()),
                   layer.size);
    auto sound = VerifyOne(source, layer, infos[i], options, progress);
    if (!sound.ok()) {
      progress.Clear();
      return std::move(sound).While(LayerText(image.manifest, i));
    }
    const bool opened = options.kek != nullptr && infos[i].encrypted();
    progress.Finish(opened ? "sound, key opens it" : "sound");
  }
  return Ok();
}

}  // namespace locket::cli
