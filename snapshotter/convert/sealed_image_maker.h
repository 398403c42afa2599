// An image's converted layers put together to a sealed image.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "erofs/lower_directories.h"
#include "image/oci/manifest.h"
#include "image/sealed/converted_layer.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/convert/convert_records.h"
#include "snapshotter/convert/converted_image.h"
#include "snapshotter/convert/layer_converter.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

struct SealedImageMakerDeps {
  const RootDirectory& root;
  BlobCache& blobs;
  const ConvertRecords& records;
  LayerConverter& layers;
};

// Thread-safe.
class SealedImageMaker {
 public:
  // All that `deps` refers to outlives the object.
  explicit SealedImageMaker(const SealedImageMakerDeps& deps) : deps_(deps) {}

  // Returns the config of an ordinary image, from its registry unless it is there; the caller has
  // pinned it. kInvalidArgument: it is not a config, or the image cannot be sealed; the message
  // says why. Errors of the registry keep their code.
  Result<image::ImageConfig> FetchConfig(const OrdinaryImage& image);

  // Makes the sealed image of an ordinary one and writes its manifest and config to the blob cache.
  // Every layer was converted alone before; `layer_pins` keep them. Most layers are the same there
  // as on top of others; one that depends on the directories below it is converted once more
  // (docs/decisions/0026). kUnavailable: the record of a layer is gone. Other errors are
  // LayerConverter's, of such layers, and those of the documents: a user that the image's
  // /etc/passwd does not have, for example.
  Result<std::shared_ptr<const ConvertedImage>> Make(
      const OrdinaryImage& image, const image::ImageConfig& config,
      std::vector<std::shared_ptr<const BlobCache::Pin>> layer_pins);

  // Whether the sealed image's layers and documents are in the blob cache.
  bool IsWhole(const ConvertedImage& image) const;

 private:
  using SharedPin = std::shared_ptr<const BlobCache::Pin>;

  Result<std::vector<image::ConvertedLayer>> StackLayers(const OrdinaryImage& image,
                                                         const image::ImageConfig& config,
                                                         std::vector<SharedPin>& pins);
  Result<image::ConvertedLayer> ConvertOver(const LayerToConvert& layer,
                                            std::vector<SharedPin>& pins);
  Result<image::ConvertedLayer> RecordOf(const image::Digest& key,
                                         const image::Digest& diff_id) const;
  bool IsThere(const image::Digest& blob) const;

  const SealedImageMakerDeps deps_;
};

}  // namespace locket::snapshotter
