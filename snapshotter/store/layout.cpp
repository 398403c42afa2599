#include "snapshotter/store/layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

constexpr mode_t kPermissions = 07777;

}  // namespace

Status MakeDirectory(const fs::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) {
    return Error::FromErrno(errno, "create '" + path.string() + "'");
  }
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) {
    return Error::FromErrno(errno, "look at '" + path.string() + "'");
  }
  // The umask cuts nothing off as a rule, and looking costs less than a change of the inode.
  if ((made.st_mode & kPermissions) == mode) return Ok();
  if (::chmod(path.c_str(), mode) != 0) {
    return Error::FromErrno(errno, "set mode of '" + path.string() + "'");
  }
  return Ok();
}

Status RemoveTree(const fs::path& path) {
  // Most are empty or absent: one call instead of a walk.
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return Ok();
  std::error_code failed;
  fs::remove_all(path, failed);
  if (failed) return Error::FromErrno(failed.value(), "remove '" + path.string() + "'");
  return Ok();
}

Result<RootDirectory> RootDirectory::Open(const fs::path& root) {
  std::error_code failed;
  fs::create_directories(root, failed);
  if (failed) return Error::FromErrno(failed.value(), "create '" + root.string() + "'");
  const fs::path absolute = fs::canonical(root, failed);
  if (failed) return Error::FromErrno(failed.value(), "resolve '" + root.string() + "'");
  if (::chmod(absolute.c_str(), 0700) != 0) {
    return Error::FromErrno(errno, "set mode of '" + absolute.string() + "'");
  }
  LOCKET_TRY_ASSIGN(UniqueFd lock, OpenFile(absolute / "lock", O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Error::FromErrno(errno, "lock '" + absolute.string() + "'");
    return Error(ErrorCode::kFailedPrecondition,
                 "lock '" + absolute.string() +
                     "': another locket-snapshotter uses this root; stop it or choose another");
  }
  RootDirectory opened(absolute, std::move(lock));
  for (const fs::path& path :
       {opened.snapshots(), opened.works(), absolute / "blobs", opened.blobs(), opened.pins(),
        opened.ingest(), opened.converted(), opened.converting()}) {
    if (fs::is_directory(path, failed)) continue;
    LOCKET_TRY(MakeDirectory(path, 0700));
  }
  LOCKET_TRY(SyncDirectory(absolute));
  LOCKET_TRY(SyncDirectory(absolute / "blobs"));
  return opened;
}

}  // namespace locket::snapshotter
