#include "snapshotter/cache/blob_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "image/oci/digest.h"

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

BlobCache::Pin::Pin(BlobCache& cache, std::vector<std::string> digests)
    : claims_(cache.claims_), digests_(std::move(digests)) {
  for (const std::string& digest : digests_) claims_.Pin(digest);
}

BlobCache::Pin::~Pin() {
  for (const std::string& digest : digests_) claims_.Unpin(digest);
}

BlobCache::BlobCache(const RootDirectory& root, Fetcher& fetcher, const CacheLimits& limits)
    : root_(root),
      limits_(limits),
      files_(root),
      manifests_(files_, fetcher, stop_.get_token()),
      eviction_(root, files_, claims_, manifests_),
      downloads_({.root = root,
                  .fetcher = fetcher,
                  .files = files_,
                  .stop = stop_.get_token(),
                  .make_room = [this](uint64_t bytes) { return eviction_.MakeRoom(bytes); }}) {}

Status BlobCache::Ensure(const std::string& reference, const image::Descriptor& blob) {
  const std::string digest = blob.digest.ToText();
  const auto is_there = [&](bool waited) {
    if (!Has(digest, blob.size)) return false;
    Touch(digest);
    if (!waited) ++hits_;
    return true;
  };
  const auto work = [&] {
    ++misses_;
    Status outcome = downloads_.Download(reference, blob).While("fetch blob " + digest);
    if (!outcome.ok()) ++failed_downloads_;
    return outcome;
  };
  return claims_.RunOnce(
      {.digest = digest, .reference = reference, .is_there = is_there, .work = work});
}

Result<std::string> BlobCache::Manifest(const std::string& reference, const image::Digest& digest) {
  return manifests_.Get(reference, digest);
}

Result<std::string> BlobCache::EnsureManifest(const std::string& reference,
                                              const image::Digest& digest) {
  auto content = Read(digest.ToText(), image::kMaxManifestBytes);
  if (content.ok()) return content;
  content = Manifest(reference, digest);
  if (content.ok()) LOCKET_TRY(Keep(digest.ToText(), *content));
  return content;
}

Result<std::string> BlobCache::EnsureContent(const std::string& reference,
                                             const image::Descriptor& blob) {
  const std::string digest = blob.digest.ToText();
  LOCKET_TRY(Ensure(reference, blob));
  auto content = Read(digest, blob.size);
  if (content.ok()) return content;
  // Whoever reads it in this moment finds it missing instead of damaged, and does the same.
  LOCKET_TRY(files_.Remove(digest));
  LOCKET_TRY(Ensure(reference, blob));
  return Read(digest, blob.size);
}

Result<std::vector<CachedBlob>> BlobCache::List() const {
  return files_.List([this](const std::string& digest) { return eviction_.IsUsed(digest); });
}

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
  if (!StillNamed(path, fd)) return Verdict::kRemoved;
  // Who pinned it counts on its being there.
  const auto removal = claims_.BeginRemoval(digest);
  if (!removal) return Verdict::kBusy;
  // Looked at again: from here on no download puts another in its place.
  if (!StillNamed(path, fd)) return Verdict::kRemoved;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove damaged '" + path.string() + "'");
  }
  manifests_.Forget(digest);
  return Verdict::kRemoved;
}

CacheFigures BlobCache::figures() const {
  return {.downloads_running = claims_.num_running(),
          .hits = hits_,
          .misses = misses_,
          .failed_downloads = failed_downloads_,
          .downloaded_bytes = downloads_.num_bytes(),
          .evicted_blobs = eviction_.num_evicted(),
          .evicted_bytes = eviction_.evicted_bytes()};
}

}  // namespace locket::snapshotter
