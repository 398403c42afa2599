// Which sealed blob each ordinary layer became: one small file for each, named after the diff ID
// (docs/formats/converted-layer.md).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "image/converted_layer.h"

namespace locket::snapshotter {

// A record is only ever a shortcut: one that is lost, damaged or of another version costs a
// conversion, which comes to the same. Thread-safe.
class ConvertRecords {
 public:
  // What is no record of this version is removed.
  static Result<std::unique_ptr<ConvertRecords>> Open(const std::filesystem::path& directory);

  std::optional<image::ConvertedLayer> Find(const image::Digest& diff_id) const;
  std::optional<image::ConvertedLayer> FindBlob(const image::Digest& blob_digest) const;

  // Durable once it returns success.
  Status Put(const image::ConvertedLayer& layer);

  // Removes the records of blobs that `is_there` denies.
  Status Prune(const std::function<bool(const image::Digest& blob_digest)>& is_there);

 private:
  explicit ConvertRecords(std::filesystem::path directory) : directory_(std::move(directory)) {}
  bool Take(const std::filesystem::path& path);  // false: it is no record
  std::filesystem::path PathOf(const image::Digest& diff_id) const {
    return directory_ / diff_id.Hex();
  }
  Result<image::ConvertedLayer> Read(const image::Digest& diff_id) const;

  const std::filesystem::path directory_;
  mutable std::mutex mutex_;                         // guards what follows
  std::map<image::Digest, image::Digest> blobs_;     // by diff ID
  std::map<image::Digest, image::Digest> diff_ids_;  // by blob
};

}  // namespace locket::snapshotter
