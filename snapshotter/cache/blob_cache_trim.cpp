// Which blobs stay, and which go.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "image/oci/digest.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

// What a file system takes for itself when it lays a file out.
constexpr uint64_t kSpareBytes = 1U << 20;

// QEMU takes OFD read locks on the images it has open (`locking=auto`, docs of -blockdev), which
// live as long as the VM, whoever started it.
bool HeldByVm(const fs::path& path) {
  const auto fd = OpenFile(path, O_RDONLY);
  if (!fd.ok()) return false;
  struct flock wanted {};
  wanted.l_type = F_WRLCK;
  wanted.l_whence = SEEK_SET;
  return ::fcntl(fd->get(), F_OFD_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK;
}

}  // namespace

Result<std::vector<CachedBlob>> BlobCache::List() const {
  std::vector<CachedBlob> blobs;
  std::error_code failed;
  for (fs::directory_iterator it(root_.blobs(), failed), end; !failed && it != end;
       it.increment(failed)) {
    const std::string digest = "sha256:" + it->path().filename().string();
    struct stat status {};
    if (!image::Digest::FromText(digest).ok() || ::stat(it->path().c_str(), &status) != 0) continue;
    const auto last_used = std::chrono::seconds(status.st_mtim.tv_sec) +
                           std::chrono::nanoseconds(status.st_mtim.tv_nsec);
    blobs.push_back({.digest = digest,
                     .size_bytes = static_cast<uint64_t>(status.st_size),
                     .last_used = std::chrono::system_clock::time_point(last_used),
                     .pinned = ::access(root_.pin(digest).c_str(), F_OK) == 0,
                     .held = HeldByVm(it->path()),
                     .used = is_used_(digest)});
  }
  if (failed) return Error::FromErrno(failed.value(), "list '" + root_.blobs().string() + "'");
  std::ranges::sort(blobs, {},
                    [](const CachedBlob& blob) { return std::pair(blob.last_used, blob.digest); });
  return blobs;
}

Result<TrimResult> BlobCache::TrimTo(const CacheLimits& limits) {
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, List());
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
    ++evicted_blobs_;
    evicted_bytes_ += blob.size_bytes;
  }
  LOCKET_TRY(std::move(first_failure));
  return result;
}

Result<bool> BlobCache::MakeRoom(uint64_t wanted_bytes) {
  std::error_code failed;
  const fs::space_info space = fs::space(root_.blobs(), failed);
  if (failed) return Error::FromErrno(failed.value(), "look at '" + root_.blobs().string() + "'");
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, List());
  uint64_t all = 0;
  uint64_t unused = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const CachedBlob& blob : blobs) {
      all += blob.size_bytes;
      const bool stays = blob.used || blob.pinned || blob.held || pins_.contains(blob.digest) ||
                         flights_.contains(blob.digest);
      if (!stays) unused += blob.size_bytes;
    }
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
Result<bool> BlobCache::RemoveUnused(const std::string& digest) {
  {
    const std::lock_guard lock(mutex_);
    if (pins_.contains(digest) || flights_.contains(digest)) return false;
    if (!removing_.insert(digest).second) return false;  // somebody else does
  }
  // Asked again: from here on a Pin waits, so no new reference comes.
  const bool is_used = is_used_(digest);
  Status removed = Ok();
  if (!is_used && ::unlink(root_.blob(digest).c_str()) != 0 && errno != ENOENT) {
    removed = Error::FromErrno(errno, "remove '" + root_.blob(digest).string() + "'");
  }
  PassFailpoint("blob-removed");
  {
    const std::lock_guard lock(mutex_);
    removing_.erase(digest);
    if (!is_used) manifests_.erase(digest);
  }
  changed_.notify_all();
  LOCKET_TRY(std::move(removed));
  return !is_used;
}

Status BlobCache::Discard(const std::string& digest) {
  const fs::path path = root_.blob(digest);
  if (::access(root_.pin(digest).c_str(), F_OK) == 0 || HeldByVm(path)) return Ok();
  LOCKET_TRY(RemoveUnused(digest));
  return Ok();
}

void BlobCache::Touch(const std::string& digest) const {
  // The modification time says when it was used; the bytes never change. Losing one costs nothing
  // but a worse choice of what goes first.
  ::utimensat(AT_FDCWD, root_.blob(digest).c_str(), nullptr, 0);
}

Status BlobCache::SetPinned(const std::string& digest, bool pinned) {
  if (pinned) return ReplaceFileDurably(root_.pin(digest), "");
  if (::unlink(root_.pin(digest).c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove '" + root_.pin(digest).string() + "'");
  }
  return SyncDirectory(root_.pins());
}

}  // namespace locket::snapshotter
