#include "snapshotter/cache/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "image/oci/digest.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;

bool BlobFiles::Has(std::string_view digest, uint64_t size_bytes) const {
  struct stat status {};
  return ::stat(root_.blob(digest).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         static_cast<uint64_t>(status.st_size) == size_bytes;
}

Result<std::string> BlobFiles::Read(const std::string& digest, size_t max_bytes) const {
  auto content = ReadFile(root_.blob(digest), max_bytes);
  if (content.ok() && image::Digest::Of(*content).ToText() == digest) return content;
  return Error(ErrorCode::kFailedPrecondition, "blob " + digest + " is missing or damaged in '" +
                                                   root_.blobs().string() +
                                                   "': remove the image and pull it again");
}

Status BlobFiles::Keep(const std::string& digest, std::string_view content) const {
  if (Read(digest, content.size()).ok()) return Ok();
  return ReplaceFileDurably(root_.blob(digest), content, 0400);
}

Status BlobFiles::Publish(const std::string& digest, const fs::path& path, int fd) const {
  if (::fchmod(fd, 0400) != 0) return Error::FromErrno(errno, "set mode of a blob");
  if (::fsync(fd) != 0) return Error::FromErrno(errno, "fsync a blob");
  if (::rename(path.c_str(), root_.blob(digest).c_str()) != 0) {
    return Error::FromErrno(errno, "rename to '" + root_.blob(digest).string() + "'");
  }
  PassFailpoint("blob-renamed");
  return SyncDirectory(root_.blobs());
}

Status BlobFiles::Adopt(const std::string& digest, const fs::path& path) const {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  return Publish(digest, path, fd.get());
}

Status BlobFiles::Remove(const std::string& digest) const {
  if (::unlink(root_.blob(digest).c_str()) == 0 || errno == ENOENT) return Ok();
  return Error::FromErrno(errno, "remove '" + root_.blob(digest).string() + "'");
}

void BlobFiles::Touch(const std::string& digest) const {
  ::utimensat(AT_FDCWD, root_.blob(digest).c_str(), nullptr, 0);
}

Status BlobFiles::SetPinned(const std::string& digest, bool pinned) const {
  if (pinned) return ReplaceFileDurably(root_.pin(digest), "");
  if (::unlink(root_.pin(digest).c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove '" + root_.pin(digest).string() + "'");
  }
  return SyncDirectory(root_.pins());
}

bool BlobFiles::IsPinned(const std::string& digest) const {
  return ::access(root_.pin(digest).c_str(), F_OK) == 0;
}

bool BlobFiles::IsHeldByVm(const std::string& digest) const {
  const auto fd = OpenFile(root_.blob(digest), O_RDONLY);
  if (!fd.ok()) return false;
  struct flock wanted {};
  wanted.l_type = F_WRLCK;
  wanted.l_whence = SEEK_SET;
  return ::fcntl(fd->get(), F_OFD_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK;
}

Result<std::vector<CachedBlob>> BlobFiles::List(const IsBlobUsed& is_used) const {
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
                     .pinned = IsPinned(digest),
                     .held = IsHeldByVm(digest),
                     .used = is_used(digest)});
  }
  if (failed) return Error::FromErrno(failed.value(), "list '" + root_.blobs().string() + "'");
  std::ranges::sort(blobs, {},
                    [](const CachedBlob& blob) { return std::pair(blob.last_used, blob.digest); });
  return blobs;
}

Status BlobFiles::RemoveLeftovers() const {
  std::vector<fs::path> leftovers;
  std::error_code failed;
  for (fs::directory_iterator it(root_.blobs(), failed), end; !failed && it != end;
       it.increment(failed)) {
    const auto digest = image::Digest::FromText("sha256:" + it->path().filename().string());
    if (!digest.ok()) leftovers.push_back(it->path());
  }
  if (failed) return Error::FromErrno(failed.value(), "list '" + root_.blobs().string() + "'");
  for (const fs::path& path : leftovers) LOCKET_TRY(RemoveTree(path));
  return Ok();
}

}  // namespace locket::snapshotter
