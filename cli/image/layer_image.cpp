#include "cli/image/layer_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "base/file.h"
#include "base/nameless_file.h"
#include "image/oci/media_type.h"
#include "image/seal/convert_layer.h"
#include "image/sealed/key_packet.h"
#include "image/sealed/seal_documents.h"

namespace locket::cli {
namespace {

Error Interrupted() { return {ErrorCode::kCancelled, "interrupted"}; }

Result<LayerImage> OpenSealed(image::ImageSource& source, const image::Descriptor& layer,
                              const LayerImageOptions& options) {
  LOCKET_TRY_ASSIGN(const auto info, image::ParseSealedLayerInfo(layer));
  std::optional<Secret> key;
  if (info.encrypted()) {
    LOCKET_TRY_ASSIGN(const auto packet,
                      image::DecodeKeyPacket(info.key_packet).While("its key packet"));
    if (options.kek == nullptr) {
      return Error(ErrorCode::kFailedPrecondition,
                   "it is encrypted under '" + packet.kid.ToUri() + "': give that key with --kek");
    }
    // First, as it costs no download.
    LOCKET_TRY_ASSIGN(
        Secret opened,
        image::UnwrapLayerKeyFor(*options.kek, packet, info.identity).While("open its key packet"));
    key.emplace(std::move(opened));
  }
  LOCKET_TRY_ASSIGN(const UniqueFd blob, source.OpenBlobFile(layer));
  LOCKET_TRY_ASSIGN(UniqueFd plain, OpenNamelessFile(options.temporary_directory));
  LOCKET_TRY(image::ExtractLayer(blob.get(), info.identity, key ? &*key : nullptr, plain.get()));
  return LayerImage{.fd = std::move(plain), .identity = info.identity};
}

Result<LayerImage> OpenOrdinary(image::ImageSource& source, const image::Descriptor& layer,
                                const image::Digest& diff_id, const LayerImageOptions& options,
                                Progress& progress) {
  LOCKET_TRY_ASSIGN(const TempDir directory,
                    TempDir::Create(options.temporary_directory, "locket-layer-"));
  const auto path = directory.path() / "layer";
  LOCKET_TRY_ASSIGN(const auto blob, source.OpenBlob(layer));
  const auto read = [&](std::span<std::byte> out) -> Result<size_t> {
    if (options.stop.stop_requested()) return Interrupted();
    return blob->Read(out);
  };
  const image::SealLayerOptions how{.durable = false,
                                    .on_progress = [&](uint64_t done) { progress.Update(done); },
                                    .lower = options.lower};
  LOCKET_TRY_ASSIGN(const auto converted, image::ConvertLayer(how, read, diff_id, path));
  LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  return LayerImage{.fd = std::move(fd), .identity = converted.identity};
}

}  // namespace

Result<erofs::ImageReader> LayerImage::Reader() const {
  const int file = fd.get();
  return erofs::ImageReader::Open(
      [file](uint64_t offset, std::span<std::byte> out) { return PreadFull(file, out, offset); },
      identity.data_size);
}

Result<LayerImage> OpenLayerImage(image::ImageSource& source, const ImageDocuments& image,
                                  size_t layer, const LayerImageOptions& options,
                                  Progress& progress) {
  const auto& descriptor = image.manifest.layers[layer];
  if (options.stop.stop_requested()) return Interrupted();
  progress.Start(
      "layer " + std::to_string(layer + 1) + " of " + std::to_string(image.manifest.layers.size()),
      /*total=*/0);
  LOCKET_TRY(image::CheckNotForeign(descriptor).While(LayerText(image.manifest, layer)));
  if (!image::IsSealedLayer(descriptor.media_type) && !image::IsTarLayer(descriptor.media_type)) {
    return Error(ErrorCode::kInvalidArgument, LayerText(image.manifest, layer) + ": media type '" +
                                                  descriptor.media_type +
                                                  "' is neither a sealed layer nor a tar");
  }
  auto opened =
      image::IsSealedLayer(descriptor.media_type)
          ? OpenSealed(source, descriptor, options)
          : OpenOrdinary(source, descriptor, image.config.diff_ids[layer], options, progress);
  if (!opened.ok()) progress.Clear();
  return std::move(opened).While(LayerText(image.manifest, layer));
}

Result<LayerImage> LayerStack::Open(size_t layer) {
  LayerImageOptions options = options_;
  options.lower = &lower_;
  if (!image::ClaimsToBeSealed(image_.manifest)) {
    for (; next_ < layer; ++next_) {
      LOCKET_TRY(OpenLayerImage(source_, image_, next_, options, progress_));
      progress_.Clear();
    }
  }
  next_ = layer + 1;
  return OpenLayerImage(source_, image_, layer, options, progress_);
}

std::string LayerText(const image::Manifest& manifest, size_t layer) {
  return "layer " + std::to_string(layer) + " (" + manifest.layers[layer].digest.ToText() + ")";
}

}  // namespace locket::cli
