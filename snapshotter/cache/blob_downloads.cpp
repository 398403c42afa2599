#include "snapshotter/cache/blob_downloads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

#include "base/file.h"
#include "image/oci/digest.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

uint64_t FileSize(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

// On disk, which may be less or more than its size.
uint64_t AllocatedBytes(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;
}

// Gives back what ReserveOnDisk took beyond the bytes that came.
void ReleaseReserved(int fd) {
  struct stat status {};
  // Best effort: what is left is given back when the file goes.
  if (::fstat(fd, &status) != 0 || ::ftruncate(fd, status.st_size) != 0) return;
}

// Before the first byte is asked for: a disk that is too small fails the pull at once, and nobody
// else takes the space meanwhile.
Status ReserveOnDisk(int fd, uint64_t size_bytes, const fs::path& directory) {
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
  ReleaseReserved(fd);
  return Error(ErrorCode::kResourceExhausted,
               "no room for its " + std::to_string(size_bytes) + " bytes in '" +
                   directory.string() + "', which has " + std::to_string(free_bytes) +
                   " left: remove images, or give the directory more space");
}

bool IsOlderThan(const fs::path& path, std::chrono::seconds age) {
  std::error_code gone;
  const auto written = fs::last_write_time(path, gone);
  return !gone && fs::file_time_type::clock::now() - written >= age;
}

}  // namespace

// Rather what nobody needs now goes than that somebody does not get what he needs; but nothing goes
// for a size that even then would not fit: a manifest may claim any.
Status BlobDownloads::Reserve(int fd, const image::Descriptor& blob) {
  const fs::path directory = deps_.root.ingest();
  const Status reserved = ReserveOnDisk(fd, blob.size, directory);
  if (reserved.ok() || reserved.error().code() != ErrorCode::kResourceExhausted) return reserved;
  const std::lock_guard one_at_a_time(make_room_mutex_);
  const uint64_t there = AllocatedBytes(fd);
  LOCKET_TRY_ASSIGN(const bool made_room, deps_.make_room(blob.size - std::min(blob.size, there)));
  return made_room ? ReserveOnDisk(fd, blob.size, directory) : reserved;
}

Status BlobDownloads::Fetch(const std::string& reference, const image::Descriptor& blob, int fd) {
  const uint64_t before = FileSize(fd);
  Status fetched = deps_.fetcher.FetchBlob(reference, blob, fd, deps_.stop);
  const uint64_t after = FileSize(fd);
  // Wrong bytes are gone again by now: what they cost is not known.
  if (after > before) num_bytes_ += after - before;
  return fetched;
}

Status BlobDownloads::Download(const std::string& reference, const image::Descriptor& blob) {
  if (deps_.stop.stop_requested()) {
    return Error(ErrorCode::kCancelled, "the snapshotter is stopping");
  }
  const std::string digest = blob.digest.ToText();
  const fs::path partial = deps_.root.partial(digest);
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(partial, O_RDWR | O_CREAT, 0600));
  PassFailpoint("partial-opened");
  LOCKET_TRY(Reserve(fd.get(), blob));
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
      ReleaseReserved(fd.get());
    }
    return fetched;
  }
  PassFailpoint("blob-fetched");
  return deps_.files.Publish(digest, partial, fd.get());
}

Status BlobDownloads::RemoveStale(std::chrono::seconds age, BlobClaims& claims) const {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator it(deps_.root.ingest(), failed), end; !failed && it != end;
       it.increment(failed)) {
    found.push_back(it->path());
  }
  if (failed) {
    return Error::FromErrno(failed.value(), "list '" + deps_.root.ingest().string() + "'");
  }
  for (const fs::path& path : found) {
    const std::string digest = "sha256:" + path.filename().string();
    // While it lives no download of this digest begins.
    const auto removal = claims.BeginRemoval(digest);
    if (!removal || !IsOlderThan(path, age)) continue;
    LOCKET_TRY(RemoveTree(path));
  }
  return Ok();
}

}  // namespace locket::snapshotter
