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

// A record is only ever a shortcut: one that is lost, damaged or of another version costs a
// conversion, which comes to the same. Thread-safe.
class ConvertRecords {
 public:
  // What is no record of this version is removed.
  static Result<std::unique_ptr<ConvertRecords>> Open(const std::filesystem::path& directory);

  std::optional<image::ConvertedLayer> Find(const image::Digest& key) const;  // image::RecordKey
  std::optional<image::ConvertedLayer> FindBlob(const image::Digest& blob_digest) const;

  // Durable once it returns success.
  Status Put(const image::ConvertedLayer& layer);

  // Removes the records of blobs that `is_there` denies.
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
