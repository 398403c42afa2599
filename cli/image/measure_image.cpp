#include "cli/image/measure_image.h"

#include <utility>

#include "base/file.h"
#include "image/seal/convert_layer.h"
#include "image/sealed/seal_documents.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace {

Result<image::ConvertedLayer> Convert(image::ImageSource& source, const image::Descriptor& layer,
                                      const image::Digest& diff_id,
                                      const LayerImageOptions& options,
                                      erofs::LowerDirectories& lower, Progress& progress) {
  LOCKET_TRY_ASSIGN(const auto blob, source.OpenBlob(layer));
  const auto read = [&](std::span<std::byte> out) -> Result<size_t> {
    if (options.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    return blob->Read(out);
  };
  LOCKET_TRY_ASSIGN(const TempDir directory,
                    TempDir::Create(options.temporary_directory, "locket-layer-"));
  return image::ConvertLayer({.durable = false,
                              .on_progress = [&](uint64_t done) { progress.Update(done); },
                              .lower = &lower},
                             read, diff_id, directory.path() / "layer");
}

Result<std::vector<image::ConvertedLayer>> ConvertAll(image::ImageSource& source,
                                                      const ImageDocuments& image,
                                                      const LayerImageOptions& options,
                                                      Progress& progress) {
  const auto& layers = image.manifest.layers;
  std::vector<image::ConvertedLayer> converted;
  erofs::LowerDirectories lower;
  for (size_t i = 0; i < layers.size(); ++i) {
    progress.Start("layer " + std::to_string(i + 1) + " of " + std::to_string(layers.size()),
                   /*total=*/0);
    auto layer = Convert(source, layers[i], image.config.diff_ids[i], options, lower, progress);
    if (!layer.ok()) progress.Clear();
    LOCKET_TRY_ASSIGN(auto done, std::move(layer).While(LayerText(image.manifest, i)));
    progress.Finish("measured");
    converted.push_back(std::move(done));
  }
  return converted;
}

}  // namespace

Result<ImageMeasurement> MeasureImage(image::ImageSource& source, const LayerImageOptions& options,
                                      Progress& progress) {
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadDocuments(source));
  if (image::ClaimsToBeSealed(image.manifest)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the image is sealed: 'locket image inspect' shows its root hashes");
  }
  LOCKET_TRY(image::CheckCanBeSealed(image.manifest, image.config));
  LOCKET_TRY_ASSIGN(const auto converted, ConvertAll(source, image, options, progress));
  image::ImageAccounts accounts;
  std::vector<image::Descriptor> descriptors;
  std::vector<LayerMeasurement> layers;
  for (const auto& layer : converted) {
    accounts.AddLayer(layer.accounts);
    LOCKET_TRY_ASSIGN(const auto descriptor, image::DescriptorOf(layer));
    descriptors.push_back(descriptor);
    layers.push_back({.diff_id = layer.diff_id,
                      .identity = layer.identity,
                      .blob_digest = layer.blob_digest,
                      .blob_size = descriptor.size});
  }
  LOCKET_TRY_ASSIGN(const std::string user,
                    accounts.Resolve(image.config.user).While("resolve USER"));
  LOCKET_TRY_ASSIGN(const auto sealed,
                    image::MakeSealedDocuments(image.manifest, image.config, descriptors, user));
  return ImageMeasurement{.manifest = image.content.descriptor.digest,
                          .platform = PlatformText(image.config),
                          .sealed_manifest = sealed.manifest.digest,
                          .sealed_config = sealed.config.digest,
                          .user = user,
                          .layers = std::move(layers)};
}

}  // namespace locket::cli
