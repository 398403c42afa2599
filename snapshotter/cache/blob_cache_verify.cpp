// Blobs are checked once, while they are written. This is for the years after that.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "image/oci/digest.h"
#include "snapshotter/cache/blob_cache.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kReadBytes = 1U << 20;

Result<image::Digest> DigestOf(int fd, const BlobCache::OnProgress& progress) {
  image::DigestHasher hasher;
  std::vector<std::byte> buffer(kReadBytes);
  uint64_t done_bytes = 0;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, "read");
    if (got == 0) return hasher.Finish();
    hasher.Update(std::span(buffer).first(static_cast<size_t>(got)));
    done_bytes += static_cast<uint64_t>(got);
    if (progress && !progress(done_bytes)) {
      return Error(ErrorCode::kCancelled, "nobody waits for the answer");
    }
  }
}

// Another may have come in its place while it was read.
bool StillNamed(const std::filesystem::path& path, int fd) {
  struct stat named {};
  struct stat open {};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &open) == 0 &&
         named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

}  // namespace

Result<Verdict> BlobCache::Verify(const std::string& digest, const OnProgress& progress) {
  const auto fd = OpenFile(root_.blob(digest), O_RDONLY);
  if (!fd.ok() && fd.error().code() != ErrorCode::kNotFound) return fd.error();
  if (!fd.ok()) return Error(ErrorCode::kNotFound, "the cache has no blob " + digest);
  auto found = DigestOf(fd->get(), progress);
  // A disk that cannot read it any more has lost it.
  const bool unreadable = !found.ok() && found.error().code() != ErrorCode::kCancelled;
  if (!found.ok() && !unreadable) return std::move(found).error().While("blob " + digest);
  if (!unreadable && found->ToText() == digest) return Verdict::kGood;
  return RemoveDamaged(digest, fd->get());
}

Result<Verdict> BlobCache::RemoveDamaged(const std::string& digest, int fd) {
  const std::filesystem::path path = root_.blob(digest);
  const std::lock_guard lock(mutex_);
  if (!StillNamed(path, fd)) return Verdict::kRemoved;
  // Who pinned it counts on its being there.
  if (pins_.contains(digest) || flights_.contains(digest) || removing_.contains(digest)) {
    return Verdict::kBusy;
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove damaged '" + path.string() + "'");
  }
  manifests_.erase(digest);
  return Verdict::kRemoved;
}

}  // namespace locket::snapshotter
