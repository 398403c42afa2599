#include "snapshotter/snapshots/snapshot_directories.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/file.h"
#include "base/log.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

// A view shows its parents' content; without any it is empty.
bool NeedsContent(const Snapshot& snapshot) {
  return snapshot.kind != Kind::kView || snapshot.parent.empty();
}

// Without parents there is nothing to lay over: containerd gets a bind mount.
bool NeedsWork(const Snapshot& snapshot) {
  return snapshot.kind == Kind::kActive && !snapshot.parent.empty();
}

Status ListPaths(const fs::path& directory, std::vector<fs::path>& found) {
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end;
       it.increment(failed)) {
    found.push_back(it->path());
  }
  if (failed) return Error::FromErrno(failed.value(), "list '" + directory.string() + "'");
  return Ok();
}

// Not synced: start-up and Mounts make a stub again that a power cut took.
Status WriteStub(const fs::path& path, std::string_view content) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return WriteFull(fd.get(), std::as_bytes(std::span(content)));
}

Result<struct stat> StatContent(const RootDirectory& root, const Snapshot& parent) {
  struct stat status {};
  const fs::path path = root.snapshot(parent.id);
  if (::lstat(path.c_str(), &status) == 0) return status;
  const int why = errno;
  if (why != ENOENT) return Error::FromErrno(why, "look at parent '" + path.string() + "'");
  return Error(ErrorCode::kDataLoss, "the content of parent '" + parent.name + "' is gone from '" +
                                         path.string() + "': remove the image and pull it again");
}

}  // namespace

bool SnapshotDirectories::AreWhole(const Snapshot& snapshot) const {
  std::error_code failed;
  if (snapshot.layer) return true;  // a blob and no directory
  if (snapshot.sealed()) return fs::is_directory(root_.rootfs(snapshot.id), failed);
  return (!NeedsContent(snapshot) || fs::is_directory(root_.snapshot(snapshot.id), failed)) &&
         (!NeedsWork(snapshot) || fs::is_directory(root_.work(snapshot.id), failed));
}

// A power cut may take directories whose record it leaves.
Status SnapshotDirectories::Repair(const Snapshot& snapshot, const Chain& parents) const {
  const std::string doing = "snapshot '" + snapshot.name + "'";
  if (snapshot.kind == Kind::kCommitted) {
    return Error(ErrorCode::kDataLoss,
                 doing + ": its content is gone: remove the image and pull it again");
  }
  log::Warning("making the lost directory of a snapshot again", {{"snapshot", snapshot.name}});
  LOCKET_TRY(Remove(snapshot.id).While(doing));
  return Make(snapshot, parents).While(doing);
}

Status SnapshotDirectories::Remove(uint64_t id) const {
  LOCKET_TRY(RemoveTree(root_.work(id)));
  return RemoveTree(root_.snapshot(id));
}

Status SnapshotDirectories::RemoveStrays(
    const std::function<std::set<uint64_t>()>& known_ids) const {
  std::vector<fs::path> found;
  LOCKET_TRY(ListPaths(root_.snapshots(), found));
  LOCKET_TRY(ListPaths(root_.works(), found));
  std::set<std::string> known;
  for (const uint64_t id : known_ids()) known.insert(std::to_string(id));
  for (const fs::path& path : found) {
    if (known.contains(path.filename())) continue;
    // It is in nobody's way: a mount point, say, that somebody has left.
    if (const Status removed = RemoveTree(path); !removed.ok()) {
      log::Warning("leaving the directory of a removed snapshot to the next clean-up",
                   {log::Field(removed.error())});
    }
  }
  return Ok();
}

Status SnapshotDirectories::Make(const Snapshot& snapshot, const Chain& parents) const {
  return snapshot.sealed() ? MakeSealed(snapshot, parents) : MakeOrdinary(snapshot, parents);
}

Status SnapshotDirectories::MakeOrdinary(const Snapshot& snapshot, const Chain& parents) const {
  struct stat below {};
  if (!parents.empty()) {
    LOCKET_TRY_ASSIGN(below, StatContent(root_, *parents.front()));
  }
  if (NeedsWork(snapshot)) LOCKET_TRY(MakeDirectory(root_.work(snapshot.id), 0711));
  if (!NeedsContent(snapshot)) return Ok();
  const fs::path content = root_.snapshot(snapshot.id);
  LOCKET_TRY(MakeDirectory(content, 0755));
  if (parents.empty() || (below.st_uid == ::geteuid() && below.st_gid == ::getegid())) return Ok();
  // The root of an overlay is its upper directory, which so takes the owner of the one below.
  if (::lchown(content.c_str(), below.st_uid, below.st_gid) != 0) {
    return Error::FromErrno(errno, "set owner of '" + content.string() + "'");
  }
  return Ok();
}

// CRI mounts the stub for a moment to look users up, and containerd looks for some directories in a
// root file system; the real one exists in the guest alone. Numbers pass without an entry, and
// sealing leaves no name in an image's config; `root` is the one name that means the same
// everywhere.
Status SnapshotDirectories::MakeSealed(const Snapshot& snapshot, const Chain& parents) const {
  LOCKET_TRY(MakeDirectory(root_.snapshot(snapshot.id), 0700));
  const fs::path rootfs = root_.rootfs(snapshot.id);
  LOCKET_TRY(MakeDirectory(rootfs, 0755));
  for (const char* name : {"dev", "etc", "proc", "run", "sys", "tmp"}) {
    LOCKET_TRY(MakeDirectory(rootfs / name, 0755));
  }
  LOCKET_TRY(WriteStub(rootfs / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"));
  LOCKET_TRY(WriteStub(rootfs / "etc/group", "root:x:0:\n"));
  // Of a converted image containerd has the ordinary config, which may name a user.
  if (converter_ != nullptr) {
    std::vector<std::string> layers;
    for (auto it = parents.rbegin(); it != parents.rend(); ++it)
      layers.push_back((*it)->layer->digest);
    LOCKET_TRY(converter_->WriteAccounts(layers, rootfs / "etc"));
  }
  return Ok();
}

}  // namespace locket::snapshotter
