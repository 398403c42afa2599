#include "cli/measure_image.h"

#include <utility>

#include "base/file.h"
#include "image/media_type.h"

namespace locket::cli {
namespace {

Result<LayerMeasurement> MeasureLayer(image::ImageSource& source, const image::Descriptor& layer,
                                      const image::Digest& diff_id,
                                      const LayerImageOptions& options, Progress& progress) {
  if (!image::IsTarLayer(layer.media_type)) {
    return Error(ErrorCode::kInvalidArgument,
                 "media type '" + layer.media_type + "' is no tar layer that can be converted");
  }
  LOCKET_TRY_ASSIGN(const TempDir directory,
                    TempDir::Create(options.temporary_directory, "locket-layer-"));
  LOCKET_TRY_ASSIGN(const auto sealed, SealPlain(source, layer, diff_id, directory.path() / "layer",
                                                 options, progress));
  LOCKET_TRY_ASSIGN(const auto blob_digest, image::Digest::FromText(sealed.blob_digest));
  return LayerMeasurement{.diff_id = diff_id,
                          .identity = {.root_hash = sealed.root_hash,
                                       .salt = sealed.salt,
                                       .data_size = sealed.data_size},
                          .blob_digest = blob_digest,
                          .blob_size = sealed.blob_size};
}

}  // namespace

Result<ImageMeasurement> MeasureImage(image::ImageSource& source, const LayerImageOptions& options,
                                      Progress& progress) {
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadDocuments(source));
  if (image::ClaimsToBeSealed(image.manifest)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the image is sealed: 'locket image inspect' shows its root hashes");
  }
  const auto& layers = image.manifest.layers;
  if (layers.size() != image.config.diff_ids.size()) {
    return Error(ErrorCode::kInvalidArgument, "manifest and config differ in the number of layers");
  }
  const auto& config = image.config;
  ImageMeasurement measured{
      .manifest = image.content.descriptor.digest, .platform = PlatformText(config), .layers = {}};
  for (size_t i = 0; i < layers.size(); ++i) {
    progress.Start("layer " + std::to_string(i + 1) + " of " + std::to_string(layers.size()),
                   /*total=*/0);
    auto layer = MeasureLayer(source, layers[i], config.diff_ids[i], options, progress);
    if (!layer.ok()) progress.Clear();
    LOCKET_TRY_ASSIGN(auto done, std::move(layer).While(LayerText(image.manifest, i)));
    progress.Finish("measured");
    measured.layers.push_back(done);
  }
  return measured;
}

}  // namespace locket::cli
