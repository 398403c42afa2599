#include "snapshotter/snapshots/names_and_labels.h"

#include "snapshotter/containerd/container_image.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxNameBytes = 16U << 10;
constexpr size_t kMaxLabelBytes = 4096;  // key and value together
constexpr std::string_view kLabelsPath = "labels";
constexpr std::string_view kLabelPathPrefix = "labels.";

}  // namespace

Status CheckName(const std::string& name) {
  if (name.empty()) return Error(ErrorCode::kInvalidArgument, "a snapshot needs a name");
  if (name.size() > kMaxNameBytes) {
    return Error(ErrorCode::kInvalidArgument, "a snapshot's name is longer than 16 KiB");
  }
  return Ok();
}

Status CheckLabels(const Labels& labels) {
  for (const auto& [key, value] : labels) {
    if (key.size() + value.size() <= kMaxLabelBytes) continue;
    return Error(ErrorCode::kInvalidArgument,
                 "label '" + key.substr(0, 64) + "' and its value are longer than 4096 bytes");
  }
  return Ok();
}

Result<Labels> UpdatedLabels(const Labels& old, const Labels& wanted,
                             std::span<const std::string> paths, const std::string& name) {
  Labels updated = paths.empty() ? wanted : old;
  for (const std::string& path : paths) {
    if (path == kLabelsPath) {
      updated = wanted;
    } else if (path.starts_with(kLabelPathPrefix)) {
      const std::string key = path.substr(kLabelPathPrefix.size());
      const auto value = wanted.find(key);
      updated[key] = value == wanted.end() ? "" : value->second;
    } else {
      return Error(ErrorCode::kInvalidArgument,
                   "cannot update '" + path + "' of snapshot '" + name + "': only labels change");
    }
  }
  std::erase_if(updated, [](const auto& label) { return label.second.empty(); });
  LOCKET_TRY(CheckLabels(updated));
  return updated;
}

bool IsUnpackKey(std::string_view key) {
  return key.substr(key.rfind('/') + 1).starts_with("extract-");
}

bool IsForTheHost(const std::string& key) {
  const auto parts = SplitSnapshotName(key);
  if (!parts) return false;
  return parts->key.find('/') != std::string::npos || parts->key.starts_with("ctr-images-mount-");
}

}  // namespace locket::snapshotter
