#include "snapshotter/cache/blob_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/file.h"
#include "image/oci/digest.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxManifestsInMemory = 16;

std::optional<uint64_t> FileSize(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(status.st_size);
}

uint64_t FileSize(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

// On disk, which may be less or more than its size.
uint64_t AllocatedBytes(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
}

// The digest that a file of blobs() or ingest() is named after, if it is one.
std::optional<std::string> DigestOfFile(const fs::path& path) {
  std::string digest = "sha256:" + path.filename().string();
  if (!image::Digest::FromText(digest).ok()) return std::nullopt;
  return digest;
}

// Calls `visit` for each path in `directory`.
template <typename Visit>
Status ForEachPath(const fs::path& directory, const Visit& visit) {
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end;
       it.increment(failed)) {
    visit(it->path());
  }
  if (failed) return Error::FromErrno(failed.value(), "list '" + directory.string() + "'");
  return Ok();
}

// Gives back what Reserve took beyond the bytes that came.
void Release(int fd) {
  struct stat status {};
  // Best effort: what is left is given back when the file goes.
  if (::fstat(fd, &status) != 0 || ::ftruncate(fd, status.st_size) != 0) return;
}

// Before the first byte is asked for: a disk that is too small fails the pull at once, and nobody
// else takes the space meanwhile.
Status Reserve(int fd, uint64_t size_bytes, const fs::path& directory) {
  if (size_bytes == 0) return Ok();
  const auto size = static_cast<off_t>(
      std::min<uint64_t>(size_bytes, static_cast<uint64_t>(std::numeric_limits<off_t>::max())));
  if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size) == 0) return Ok();
  if (errno == EOPNOTSUPP) return Ok();  // this file system cannot: writing will tell
  // EFBIG: more than a file of this file system may have.
  if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) {
    return Error::FromErrno(errno, "reserve disk space");
  }
  std::error_code failed;
  const uint64_t free_bytes = fs::space(directory, failed).available;
  Release(fd);
  return Error(ErrorCode::kResourceExhausted,
               "no room for its " + std::to_string(size_bytes) + " bytes in '" +
                   directory.string() + "', which has " + std::to_string(free_bytes) +
                   " left: remove images, or give the directory more space");
}

}  // namespace

BlobCache::Pin::Pin(BlobCache& cache, std::vector<std::string> digests)
    : cache_(cache), digests_(std::move(digests)) {
  std::unique_lock lock(cache_.mutex_);
  for (const std::string& digest : digests_) {
    cache_.changed_.wait(lock, [&] { return !cache_.removing_.contains(digest); });
    cache_.pins_.insert(digest);
  }
}

BlobCache::Pin::~Pin() {
  const std::lock_guard lock(cache_.mutex_);
  for (const std::string& digest : digests_) cache_.pins_.erase(cache_.pins_.find(digest));
}

bool BlobCache::Has(std::string_view digest, uint64_t size_bytes) const {
  return FileSize(root_.blob(digest)) == size_bytes;
}

// Who comes first works, and those who come meanwhile wait for it.
Status BlobCache::RunOnce(Flights& flights, const Errand& errand) {
  bool waited = false;
  std::unique_lock lock(mutex_);
  while (true) {
    if (const auto found = flights.find(errand.digest); found != flights.end()) {
      const std::shared_ptr<Flight> flight = found->second;
      changed_.wait(lock, [&] { return flight->outcome.has_value(); });
      waited = true;
      // Another image's registry may have what this one's lacks, so only our own's failure counts.
      const bool is_ours = flight->reference == errand.reference;
      if (!flight->outcome->ok() && is_ours) return *flight->outcome;
      continue;
    }
    // Looked at under the lock: what just landed is not fetched again.
    if (errand.is_there(waited)) return Ok();
    const auto flight = std::make_shared<Flight>(Flight{.reference = errand.reference});
    flights.emplace(errand.digest, flight);
    lock.unlock();
    Status outcome = errand.work();
    lock.lock();
    flight->outcome = outcome;
    flights.erase(errand.digest);
    changed_.notify_all();
    return outcome;
  }
}

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
    Status outcome = Download(reference, blob).While("fetch blob " + digest);
    if (!outcome.ok()) ++failed_downloads_;
    return outcome;
  };
  return RunOnce(flights_,
                 {.digest = digest, .reference = reference, .is_there = is_there, .work = work});
}

// Rather what nobody needs now goes than that somebody does not get what he needs; but nothing goes
// for a size that even then would not fit: a manifest may claim any.
Status BlobCache::ReserveOrTrim(int fd, const image::Descriptor& blob) {
  const Status reserved = Reserve(fd, blob.size, root_.ingest());
  if (reserved.ok() || reserved.error().code() != ErrorCode::kResourceExhausted) return reserved;
  const std::lock_guard one_at_a_time(make_room_mutex_);
  const uint64_t there = AllocatedBytes(fd);
  LOCKET_TRY_ASSIGN(const bool made_room, MakeRoom(blob.size - std::min(blob.size, there)));
  return made_room ? Reserve(fd, blob.size, root_.ingest()) : reserved;
}

Status BlobCache::Fetch(const std::string& reference, const image::Descriptor& blob, int fd) {
  const uint64_t before = FileSize(fd);
  Status fetched = fetcher_.FetchBlob(reference, blob, fd, stop_.get_token());
  const uint64_t after = FileSize(fd);
  // Wrong bytes are gone again by now: what they cost is not known.
  if (after > before) downloaded_bytes_ += after - before;
  return fetched;
}

Status BlobCache::Download(const std::string& reference, const image::Descriptor& blob) {
  if (stop_.stop_requested()) return Error(ErrorCode::kCancelled, "the snapshotter is stopping");
  const std::string digest = blob.digest.ToText();
  const fs::path partial = root_.partial(digest);
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(partial, O_RDWR | O_CREAT, 0600));
  PassFailpoint("partial-opened");
  LOCKET_TRY(ReserveOrTrim(fd.get(), blob));
  const bool resumed = FileSize(fd.get()) > 0;
  Status fetched = Fetch(reference, blob, fd.get());
  if (!fetched.ok() && fetched.error().code() == ErrorCode::kDataLoss && resumed) {
    // What an earlier process left may have lost bytes in a power cut: once more from nothing.
    fetched = Fetch(reference, blob, fd.get());
  }
  if (!fetched.ok()) {
    if (fetched.error().code() == ErrorCode::kDataLoss) {
      ::unlink(partial.c_str());
    } else {
      Release(fd.get());
    }
    return fetched;
  }
  PassFailpoint("blob-fetched");
  return Publish(digest, partial, fd.get());
}

// Gives the complete file at `path`, open at `fd`, the blob's name, for good.
Status BlobCache::Publish(const std::string& digest, const fs::path& path, int fd) {
  if (::fchmod(fd, 0400) != 0) return Error::FromErrno(errno, "set mode of a blob");
  if (::fsync(fd) != 0) return Error::FromErrno(errno, "fsync a blob");
  if (::rename(path.c_str(), root_.blob(digest).c_str()) != 0) {
    return Error::FromErrno(errno, "rename to '" + root_.blob(digest).string() + "'");
  }
  PassFailpoint("blob-renamed");
  return SyncDirectory(root_.blobs());
}

Result<std::string> BlobCache::Manifest(const std::string& reference, const image::Digest& digest) {
  const std::string text = digest.ToText();
  std::string bytes;
  const auto is_there = [&](bool /*waited*/) {
    const auto found = manifests_.find(text);
    if (found != manifests_.end()) bytes = found->second;
    return found != manifests_.end();
  };
  const auto work = [&]() -> Status {
    auto content = Read(text, image::kMaxManifestBytes);
    if (!content.ok()) content = fetcher_.FetchManifest(reference, digest, stop_.get_token());
    LOCKET_TRY_ASSIGN(bytes, std::move(content).While("fetch manifest " + text));
    const std::lock_guard lock(mutex_);
    if (manifests_.size() >= kMaxManifestsInMemory) manifests_.erase(manifests_.begin());
    manifests_.emplace(text, bytes);
    return Ok();
  };
  LOCKET_TRY(RunOnce(manifest_flights_,
                     {.digest = text, .reference = reference, .is_there = is_there, .work = work}));
  return bytes;
}

Result<std::string> BlobCache::EnsureManifest(const std::string& reference,
                                              const image::Digest& digest) {
  const std::string text = digest.ToText();
  auto content = Read(text, image::kMaxManifestBytes);
  if (content.ok()) return content;
  content = Manifest(reference, digest);
  if (content.ok()) LOCKET_TRY(ReplaceFileDurably(root_.blob(text), *content, 0400));
  return content;
}

Status BlobCache::Keep(const std::string& digest, std::string_view content) {
  if (Read(digest, content.size()).ok()) return Ok();
  return ReplaceFileDurably(root_.blob(digest), content, 0400);
}

Status BlobCache::Adopt(const std::string& digest, const fs::path& path) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  return Publish(digest, path, fd.get());
}

Result<std::string> BlobCache::EnsureContent(const std::string& reference,
                                             const image::Descriptor& blob) {
  const std::string digest = blob.digest.ToText();
  LOCKET_TRY(Ensure(reference, blob));
  auto content = Read(digest, blob.size);
  if (content.ok()) return content;
  // Whoever reads it in this moment finds it missing instead of damaged, and does the same.
  if (::unlink(root_.blob(digest).c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove '" + root_.blob(digest).string() + "'");
  }
  LOCKET_TRY(Ensure(reference, blob));
  return Read(digest, blob.size);
}

Result<std::string> BlobCache::Read(const std::string& digest, size_t max_bytes) const {
  auto content = ReadFile(root_.blob(digest), max_bytes);
  if (content.ok() && image::Digest::Of(*content).ToText() == digest) return content;
  return Error(ErrorCode::kFailedPrecondition, "blob " + digest + " is missing or damaged in '" +
                                                   root_.blobs().string() +
                                                   "': remove the image and pull it again");
}

CacheFigures BlobCache::figures() const {
  CacheFigures figures{.hits = hits_,
                       .misses = misses_,
                       .failed_downloads = failed_downloads_,
                       .downloaded_bytes = downloaded_bytes_,
                       .evicted_blobs = evicted_blobs_,
                       .evicted_bytes = evicted_bytes_};
  const std::lock_guard lock(mutex_);
  figures.downloads_running = flights_.size();
  return figures;
}

Status BlobCache::RemoveLeftovers() {
  std::vector<fs::path> leftovers;
  LOCKET_TRY(ForEachPath(root_.blobs(), [&](const fs::path& path) {
    if (!DigestOfFile(path)) leftovers.push_back(path);
  }));
  for (const fs::path& path : leftovers) LOCKET_TRY(RemoveTree(path));
  return Ok();
}

Status BlobCache::RemoveStalePartials(std::chrono::seconds age) {
  const std::lock_guard lock(mutex_);
  const auto now = fs::file_time_type::clock::now();
  std::vector<fs::path> stale;
  LOCKET_TRY(ForEachPath(root_.ingest(), [&](const fs::path& path) {
    const auto digest = DigestOfFile(path);
    if (digest && (flights_.contains(*digest) || pins_.contains(*digest))) return;
    std::error_code gone;
    const auto written = fs::last_write_time(path, gone);
    if (!gone && now - written >= age) stale.push_back(path);
  }));
  for (const fs::path& path : stale) LOCKET_TRY(RemoveTree(path));
  return Ok();
}

}  // namespace locket::snapshotter
