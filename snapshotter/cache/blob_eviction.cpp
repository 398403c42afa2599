#include "snapshotter/cache/blob_eviction.h"

#include <algorithm>

#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

// What a file system takes for itself when it lays a file out.
constexpr uint64_t kSpareBytes = 1U << 20;

}  // namespace

Result<TrimResult> BlobEviction::TrimTo(const CacheLimits& limits) {
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, files_.List(is_used_));
  TrimResult result;
  for (const CachedBlob& blob : blobs) result.bytes_left += blob.size_bytes;
  if (limits.high_bytes > 0 && result.bytes_left <= limits.high_bytes) return result;
  Status first_failure = Ok();
  for (const CachedBlob& blob : blobs) {
    // Without a limit also an empty blob goes.
    if (limits.high_bytes > 0 && result.bytes_left <= limits.low_bytes) break;
    if (blob.used || blob.pinned || blob.held) continue;
    const auto removed = RemoveUnused(blob.digest);
    if (!removed.ok() && first_failure.ok()) first_failure = removed.error();
    if (!removed.ok() || !*removed) continue;
    ++result.num_removed;
    result.bytes_removed += blob.size_bytes;
    result.bytes_left -= blob.size_bytes;
    ++num_evicted_;
    evicted_bytes_ += blob.size_bytes;
  }
  LOCKET_TRY(std::move(first_failure));
  return result;
}

Result<bool> BlobEviction::MakeRoom(uint64_t wanted_bytes) {
  std::error_code failed;
  const fs::space_info space = fs::space(root_.blobs(), failed);
  if (failed) return Error::FromErrno(failed.value(), "look at '" + root_.blobs().string() + "'");
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, files_.List(is_used_));
  uint64_t all = 0;
  uint64_t unused = 0;
  for (const CachedBlob& blob : blobs) {
    all += blob.size_bytes;
    const bool stays = blob.used || blob.pinned || blob.held || claims_.IsClaimed(blob.digest);
    if (!stays) unused += blob.size_bytes;
  }
  // Some of what is free is root's alone, who may be us.
  const auto beyond = [&](uint64_t room) { return wanted_bytes - std::min(wanted_bytes, room); };
  if (beyond(space.free) > unused) return false;
  const uint64_t missing = beyond(space.available) + kSpareBytes;
  const uint64_t leave = all - std::min(all, missing);
  LOCKET_TRY_ASSIGN(const TrimResult trimmed, TrimTo({.high_bytes = leave, .low_bytes = leave}));
  return trimmed.num_removed > 0;
}

// False: somebody needs it after all.
Result<bool> BlobEviction::RemoveUnused(const std::string& digest) {
  const auto removal = claims_.BeginRemoval(digest);
  if (!removal) return false;
  // Asked again: from here on a pin waits, so no new reference comes.
  const bool is_used = is_used_(digest);
  const Status removed = is_used ? Ok() : files_.Remove(digest);
  PassFailpoint("blob-removed");
  if (!is_used) manifests_.Forget(digest);
  if (!removed.ok()) return removed.error();
  return !is_used;
}

Status BlobEviction::Discard(const std::string& digest) {
  if (files_.IsPinned(digest) || files_.IsHeldByVm(digest)) return Ok();
  LOCKET_TRY(RemoveUnused(digest));
  return Ok();
}

}  // namespace locket::snapshotter
