// The part of Converter that puts the layers of an image on top of each other: most are the same
// there as each alone, and some depend on the directories below them (docs/decisions/0026).
#include <fcntl.h>

#include <utility>

#include "base/file.h"
#include "erofs/image_reader.h"
#include "erofs/merge_directories.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/convert/converter_jobs.h"

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

Result<image::ConvertedLayer> Converter::RecordOf(const image::Digest& key,
                                                  const image::Digest& diff_id) const {
  auto layer = records_->Find(key);
  if (layer) return *std::move(layer);
  return Error(ErrorCode::kUnavailable,
               "the record of layer " + diff_id.ToText() + " is gone already: pull it again");
}

Result<image::ConvertedLayer> Converter::Restack(ImageJob& job, size_t index,
                                                 const image::Digest& below,
                                                 const erofs::LowerDirectories& lower) {
  const image::Digest& diff_id = job.config->diff_ids[index];
  const LayerJob again{.reference = job.image.reference,
                       .blob = job.image.manifest.layers[index],
                       .diff_id = diff_id,
                       .over = below,
                       .lower = &lower};
  LOCKET_TRY_ASSIGN(auto pin, ConvertLayer(again).While("layer " + again.blob.digest.ToText()));
  job.pins.push_back(std::move(pin));
  return RecordOf(image::RecordKey(diff_id, below), diff_id);
}

// Every layer was converted alone before, several at once.
Result<std::vector<image::ConvertedLayer>> Converter::StackLayers(ImageJob& job) {
  const auto& diff_ids = job.config->diff_ids;
  const auto chain_ids = image::ChainIds(diff_ids);
  erofs::LowerDirectories lower;
  std::vector<image::ConvertedLayer> layers;
  for (size_t i = 0; i < diff_ids.size(); ++i) {
    LOCKET_TRY_ASSIGN(image::ConvertedLayer layer, RecordOf(diff_ids[i], diff_ids[i]));
    LOCKET_TRY_ASSIGN(OpenLayer open, OpenBlob(deps_.root, layer));
    LOCKET_TRY_ASSIGN(const bool depends, erofs::DependsOnLower(open.reader, lower));
    if (depends) {
      const image::Digest below = i == 0 ? image::Digest::Of("") : chain_ids[i - 1];
      LOCKET_TRY_ASSIGN(layer, Restack(job, i, below, lower));
      LOCKET_TRY_ASSIGN(open, OpenBlob(deps_.root, layer));
    }
    LOCKET_TRY(erofs::MergeDirectories(open.reader, lower));
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace locket::snapshotter
