#include "snapshotter/convert/sealed_image_maker.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "erofs/image_reader.h"
#include "erofs/merge_directories.h"
#include "image/sealed/seal_documents.h"

namespace locket::snapshotter {
namespace {

// A sealed layer that is not encrypted, in the cache: the file system lies at its beginning.
struct OpenLayer {
  UniqueFd fd;
  erofs::ImageReader reader;
};

Result<OpenLayer> OpenBlob(const RootDirectory& root, const image::ConvertedLayer& layer) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(root.blob(layer.blob_digest.ToText()), O_RDONLY));
  const int file = fd.get();
  LOCKET_TRY_ASSIGN(auto reader, erofs::ImageReader::Open(
                                     [file](uint64_t offset, std::span<std::byte> out) {
                                       return PreadFull(file, out, offset);
                                     },
                                     layer.identity.data_size));
  return OpenLayer{.fd = std::move(fd), .reader = std::move(reader)};
}

}  // namespace

Result<image::ImageConfig> SealedImageMaker::FetchConfig(const OrdinaryImage& image) {
  const image::Descriptor& blob = image.manifest.config;
  if (blob.size > image::kMaxConfigBytes) {
    return Error(ErrorCode::kInvalidArgument, "its config is over 4 MiB");
  }
  LOCKET_TRY_ASSIGN(const std::string text, deps_.blobs.EnsureContent(image.reference, blob));
  LOCKET_TRY_ASSIGN(auto config, image::DecodeImageConfig(text).While("its config"));
  LOCKET_TRY(image::CheckCanBeSealed(image.manifest, config));
  return config;
}

Result<std::shared_ptr<const ConvertedImage>> SealedImageMaker::Make(
    const OrdinaryImage& image, const image::ImageConfig& config,
    std::vector<std::shared_ptr<const BlobCache::Pin>> layer_pins) {
  auto pins = std::move(layer_pins);
  image::ImageAccounts accounts;
  std::vector<image::Descriptor> layers;
  LOCKET_TRY_ASSIGN(const auto converted, StackLayers(image, config, pins));
  for (const image::ConvertedLayer& layer : converted) {
    accounts.AddLayer(layer.accounts);
    LOCKET_TRY_ASSIGN(auto descriptor, image::DescriptorOf(layer));
    layers.push_back(std::move(descriptor));
  }
  LOCKET_TRY_ASSIGN(const std::string user, accounts.Resolve(config.user));
  LOCKET_TRY_ASSIGN(const auto documents,
                    image::MakeSealedDocuments(image.manifest, config, layers, user));
  pins.push_back(SharePin(deps_.blobs, documents.config.digest));
  pins.push_back(SharePin(deps_.blobs, documents.manifest.digest));
  LOCKET_TRY(deps_.blobs.Keep(documents.config.digest.ToText(), documents.config_bytes));
  LOCKET_TRY(deps_.blobs.Keep(documents.manifest.digest.ToText(), documents.manifest_bytes));
  LOCKET_TRY_ASSIGN(auto decoded, image::DecodeManifest(documents.manifest_bytes));
  return std::shared_ptr<const ConvertedImage>(
      std::make_shared<ConvertedImage>(ConvertedImage{.manifest_digest = documents.manifest.digest,
                                                      .manifest = std::move(decoded),
                                                      .chain_ids = image::ChainIds(config.diff_ids),
                                                      .pins = std::move(pins)}));
}

// Every layer was converted alone before, several at once.
Result<std::vector<image::ConvertedLayer>> SealedImageMaker::StackLayers(
    const OrdinaryImage& image, const image::ImageConfig& config, std::vector<SharedPin>& pins) {
  const auto& diff_ids = config.diff_ids;
  const auto chain_ids = image::ChainIds(diff_ids);
  erofs::LowerDirectories lower;
  std::vector<image::ConvertedLayer> layers;
  for (size_t i = 0; i < diff_ids.size(); ++i) {
    LOCKET_TRY_ASSIGN(image::ConvertedLayer layer, RecordOf(diff_ids[i], diff_ids[i]));
    LOCKET_TRY_ASSIGN(OpenLayer open, OpenBlob(deps_.root, layer));
    LOCKET_TRY_ASSIGN(const bool depends, erofs::DependsOnLower(open.reader, lower));
    if (depends) {
      const LayerToConvert again{.reference = image.reference,
                                 .blob = image.manifest.layers[i],
                                 .diff_id = diff_ids[i],
                                 .over = i == 0 ? image::Digest::Of("") : chain_ids[i - 1],
                                 .lower = &lower};
      LOCKET_TRY_ASSIGN(layer, ConvertOver(again, pins));
      LOCKET_TRY_ASSIGN(open, OpenBlob(deps_.root, layer));
    }
    LOCKET_TRY(erofs::MergeDirectories(open.reader, lower));
    layers.push_back(std::move(layer));
  }
  return layers;
}

Result<image::ConvertedLayer> SealedImageMaker::ConvertOver(const LayerToConvert& layer,
                                                            std::vector<SharedPin>& pins) {
  LOCKET_TRY_ASSIGN(auto pin,
                    deps_.layers.Convert(layer).While("layer " + layer.blob.digest.ToText()));
  pins.push_back(std::move(pin));
  return RecordOf(image::RecordKey(layer.diff_id, layer.over), layer.diff_id);
}

Result<image::ConvertedLayer> SealedImageMaker::RecordOf(const image::Digest& key,
                                                         const image::Digest& diff_id) const {
  auto layer = deps_.records.Find(key);
  if (layer) return *std::move(layer);
  return Error(ErrorCode::kUnavailable,
               "the record of layer " + diff_id.ToText() + " is gone already: pull it again");
}

// A blob that cannot be looked at is as good as none.
bool SealedImageMaker::IsThere(const image::Digest& blob) const {
  std::error_code failed;
  return std::filesystem::exists(deps_.root.blob(blob.ToText()), failed);
}

bool SealedImageMaker::IsWhole(const ConvertedImage& image) const {
  const auto is_there = [this](const image::Descriptor& blob) {
    return deps_.blobs.Has(blob.digest.ToText(), blob.size);
  };
  return std::ranges::all_of(image.manifest.layers, is_there) && is_there(image.manifest.config) &&
         IsThere(image.manifest_digest);
}

}  // namespace locket::snapshotter
