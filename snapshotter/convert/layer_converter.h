// One ordinary layer made into a sealed one: fetched, sealed, given to the blob cache, remembered.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "erofs/block_sink.h"
#include "erofs/lower_directories.h"
#include "image/oci/manifest.h"
#include "image/sealed/converted_layer.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/convert/convert_history.h"
#include "snapshotter/convert/convert_records.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

struct LayerToConvert {
  std::string reference;   // the image whose registry is asked
  image::Descriptor blob;  // as it is there
  image::Digest diff_id;
  // Set for a layer that depends on the directories below it (docs/decisions/0026): the chain ID of
  // the layers below, and their directories, which outlive the call.
  std::optional<image::Digest> over{};
  const erofs::LowerDirectories* lower = nullptr;
};

struct LayerConverterDeps {
  const RootDirectory& root;
  BlobCache& blobs;
  ConvertRecords& records;
  ConvertHistory& history;
  std::stop_token stop;  // ends what is under way with kCancelled
};

// A conversion goes through these states, and a kill leaves it in one of them:
//
//   fetched    the ordinary blob is in the cache; nothing refers to it
//   sealing    converting/<hex of the record's key>; Converter::Open removes it
//   adopted    the sealed blob is in the cache; nothing refers to it
//   recorded   ConvertRecords finds the blob, so it is not made again
//
// The ordinary blob is removed once it is not needed any more. It is kept after an error that a
// second try may not have: a full disk, a registry that does not answer, a stop. Thread-safe, for
// different layers.
class LayerConverter {
 public:
  // All that `deps` refers to outlives the object.
  explicit LayerConverter(const LayerConverterDeps& deps) : deps_(deps) {}

  // Converts a layer unless it is recorded and its blob is there. Returns a pin on the sealed blob;
  // ConvertRecords says which that is. kResourceExhausted: the disk has no room for it, even
  // without the blobs that nothing needs. kCancelled: stopped. Errors of the registry keep their
  // code.
  Result<std::shared_ptr<const BlobCache::Pin>> Convert(const LayerToConvert& layer);

 private:
  using SharedPin = std::shared_ptr<const BlobCache::Pin>;

  SharedPin FindConverted(const image::Digest& key) const;
  Result<SharedPin> SealAndAdopt(const LayerToConvert& layer, const std::filesystem::path& path);
  Result<image::ConvertedLayer> Seal(const LayerToConvert& layer,
                                     const std::filesystem::path& path);
  Result<image::ConvertedLayer> TrySealing(const LayerToConvert& layer,
                                           const std::filesystem::path& path) const;
  Result<erofs::ByteSource> SourceOf(const LayerToConvert& layer) const;
  Result<uint64_t> TarBytes(const LayerToConvert& layer) const;
  Result<SharedPin> Adopt(const image::ConvertedLayer& layer, const std::filesystem::path& path);

  const LayerConverterDeps deps_;
};

}  // namespace locket::snapshotter
