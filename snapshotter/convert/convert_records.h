// Which sealed blob each ordinary layer became: one small file for each, named after its key, which
// is the diff ID unless the layer depends on those below it (docs/formats/converted-layer.md).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "image/sealed/converted_layer.h"

namespace locket::snapshotter {

// A record is only a shortcut: one that is lost, damaged or of another version costs a conversion,
// which comes to the same blob. Which blobs are still there the records do not know: the caller
// asks the blob cache. Thread-safe.
class ConvertRecords {
 public:
  // Reads the records in `directory`, which exists. Removes files that are not records of this
  // version.
  static Result<std::unique_ptr<ConvertRecords>> Open(const std::filesystem::path& directory);

  // Returns what the layer of that key (image::RecordKey) became. Nothing: it was not converted, or
  // its record cannot be read.
  std::optional<image::ConvertedLayer> Find(const image::Digest& key) const;

  // Returns the layer that became that sealed blob. Nothing: none is recorded.
  std::optional<image::ConvertedLayer> FindBlob(const image::Digest& blob_digest) const;

  // Writes the record of a layer, in place of an older one of the same key. Durable once it returns
  // success; on failure the older one is still there.
  Status Put(const image::ConvertedLayer& layer);

  // Removes the records of blobs for which `is_there` returns false.
  Status Prune(const std::function<bool(const image::Digest& blob_digest)>& is_there);

 private:
  explicit ConvertRecords(std::filesystem::path directory) : directory_(std::move(directory)) {}
  bool Take(const std::filesystem::path& path);  // false: it is no record
  std::filesystem::path PathOf(const image::Digest& key) const { return directory_ / key.Hex(); }
  Result<image::ConvertedLayer> Read(const image::Digest& key) const;

  const std::filesystem::path directory_;
  mutable std::mutex mutex_;                      // guards what follows
  std::map<image::Digest, image::Digest> blobs_;  // by key
  std::map<image::Digest, image::Digest> keys_;   // by blob
};

}  // namespace locket::snapshotter
