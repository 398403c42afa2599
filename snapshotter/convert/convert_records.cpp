#include "snapshotter/convert/convert_records.h"

#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/file.h"
#include "base/log.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;

Result<std::unique_ptr<ConvertRecords>> ConvertRecords::Open(const fs::path& directory) {
  std::unique_ptr<ConvertRecords> records(new ConvertRecords(directory));
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end;
       it.increment(failed)) {
    found.push_back(it->path());
  }
  if (failed) return Error::FromErrno(failed.value(), "list '" + directory.string() + "'");
  for (const fs::path& path : found) {
    if (records->Take(path)) continue;
    if (::unlink(path.c_str()) != 0) {
      return Error::FromErrno(errno, "remove '" + path.string() + "'");
    }
  }
  return records;
}

bool ConvertRecords::Take(const fs::path& path) {
  const auto key = image::Digest::FromText("sha256:" + path.filename().string());
  if (!key.ok()) return false;  // what a crash in Put left
  const auto layer = Read(*key);
  if (!layer.ok()) {
    log::Warning("forgetting a converted layer, which will be converted again",
                 {{"file", path.string()}, log::Field(layer.error())});
    return false;
  }
  blobs_.emplace(*key, layer->blob_digest);
  keys_.emplace(layer->blob_digest, *key);
  return true;
}

Result<image::ConvertedLayer> ConvertRecords::Read(const image::Digest& key) const {
  LOCKET_TRY_ASSIGN(const std::string text, ReadFile(PathOf(key), image::kMaxConvertedLayerBytes));
  LOCKET_TRY_ASSIGN(auto layer, image::DecodeConvertedLayer(text));
  if (image::RecordKey(layer.diff_id, layer.over) == key) return layer;
  return Error(ErrorCode::kDataLoss, "the record is that of another layer");
}

std::optional<image::ConvertedLayer> ConvertRecords::Find(const image::Digest& key) const {
  {
    const std::lock_guard lock(mutex_);
    if (!blobs_.contains(key)) return std::nullopt;
  }
  auto layer = Read(key);
  if (!layer.ok()) return std::nullopt;
  return std::move(*layer);
}

std::optional<image::ConvertedLayer> ConvertRecords::FindBlob(
    const image::Digest& blob_digest) const {
  std::optional<image::Digest> key;
  {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(blob_digest);
    if (found == keys_.end()) return std::nullopt;
    key = found->second;
  }
  return Find(*key);
}

Status ConvertRecords::Put(const image::ConvertedLayer& layer) {
  const image::Digest key = image::RecordKey(layer.diff_id, layer.over);
  // Held over the write, so that a Prune which found the old blob gone does not take the new file.
  const std::lock_guard lock(mutex_);
  LOCKET_TRY(ReplaceFileDurably(PathOf(key), image::EncodeConvertedLayer(layer)));
  blobs_.insert_or_assign(key, layer.blob_digest);
  keys_.insert_or_assign(layer.blob_digest, key);
  return Ok();
}

Status ConvertRecords::Prune(const std::function<bool(const image::Digest&)>& is_there) {
  const std::lock_guard lock(mutex_);
  for (auto it = blobs_.begin(); it != blobs_.end();) {
    if (is_there(it->second)) {
      ++it;
      continue;
    }
    const fs::path path = PathOf(it->first);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return Error::FromErrno(errno, "remove '" + path.string() + "'");
    }
    keys_.erase(it->second);
    it = blobs_.erase(it);
  }
  return Ok();
}

}  // namespace locket::snapshotter
