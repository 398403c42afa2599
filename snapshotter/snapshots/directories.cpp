// The half of Snapshots that makes and removes directories. One without a record belongs to nobody,
// so a kill at any moment leaves nothing that start-up cannot tell apart.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/file.h"
#include "base/log.h"
#include "snapshotter/snapshots/snapshots.h"
#include "snapshotter/store/failpoint.h"

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

bool Snapshots::IsWhole(const Snapshot& snapshot) const {
  const RootDirectory& root = deps_.root;
  std::error_code failed;
  if (snapshot.layer) return true;  // a blob and no directory
  if (snapshot.sealed()) return fs::is_directory(root.rootfs(snapshot.id), failed);
  return (!NeedsContent(snapshot) || fs::is_directory(root.snapshot(snapshot.id), failed)) &&
         (!NeedsWork(snapshot) || fs::is_directory(root.work(snapshot.id), failed));
}

Status Snapshots::RepairDirectories() {
  LOCKET_TRY(RemoveStrayDirectories());
  for (const auto& [id, snapshot] : table_.all()) {
    if (IsWhole(*snapshot)) continue;
    const Status repaired = RepairDirectory(*snapshot);
    // One snapshot less is better than none at all.
    if (!repaired.ok())
      log::Error("a snapshot has lost its directory", {log::Field(repaired.error())});
  }
  return Ok();
}

// A power cut may take directories whose record it leaves.
Status Snapshots::RepairDirectory(const Snapshot& snapshot) {
  const std::string doing = "snapshot '" + snapshot.name + "'";
  if (snapshot.kind == Kind::kCommitted) {
    return Error(ErrorCode::kDataLoss,
                 doing + ": its content is gone: remove the image and pull it again");
  }
  log::Warning("making the lost directory of a snapshot again", {{"snapshot", snapshot.name}});
  std::unique_lock lock(mutex_);
  LOCKET_TRY_ASSIGN(const Chain chain, table_.ChainOf(snapshot.parent).While(doing));
  lock.unlock();
  LOCKET_TRY(RemoveDirectories(snapshot.id).While(doing));
  return MakeDirectories(snapshot, chain).While(doing);
}

Status Snapshots::RemoveStrayDirectories() {
  std::vector<fs::path> found;
  LOCKET_TRY(ListPaths(deps_.root.snapshots(), found));
  LOCKET_TRY(ListPaths(deps_.root.works(), found));
  // Looked at after they were listed: whatever is made meanwhile is not in the list.
  std::set<std::string> known;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, snapshot] : table_.all()) known.insert(std::to_string(id));
    for (const uint64_t id : busy_ids_) known.insert(std::to_string(id));
  }
  // After the busy ones: an id that Remove has done with is the sweeper's already.
  for (const uint64_t id : sweeper_.pending()) known.insert(std::to_string(id));
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

Status Snapshots::RemoveDirectories(uint64_t id) {
  LOCKET_TRY(RemoveTree(deps_.root.work(id)));
  return RemoveTree(deps_.root.snapshot(id));
}

void Snapshots::Sweep(uint64_t id) {
  const Status swept = RemoveDirectories(id);
  PassFailpoint("directories-removed");
  if (swept.ok()) return;
  log::Warning("leaving the directories of a removed snapshot to the next clean-up",
               {{"snapshot", id}, log::Field(swept.error())});
}

Status Snapshots::MakeDirectories(const Snapshot& snapshot, const Chain& chain) {
  return snapshot.sealed() ? MakeSealedDirectories(snapshot, chain)
                           : MakeOrdinaryDirectories(snapshot, chain);
}

Status Snapshots::MakeOrdinaryDirectories(const Snapshot& snapshot, const Chain& chain) {
  struct stat below {};
  if (!chain.empty()) {
    LOCKET_TRY_ASSIGN(below, StatContent(deps_.root, *chain.front()));
  }
  if (NeedsWork(snapshot)) LOCKET_TRY(MakeDirectory(deps_.root.work(snapshot.id), 0711));
  if (!NeedsContent(snapshot)) return Ok();
  const fs::path content = deps_.root.snapshot(snapshot.id);
  LOCKET_TRY(MakeDirectory(content, 0755));
  if (chain.empty() || (below.st_uid == ::geteuid() && below.st_gid == ::getegid())) return Ok();
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
Status Snapshots::MakeSealedDirectories(const Snapshot& snapshot, const Chain& chain) {
  LOCKET_TRY(MakeDirectory(deps_.root.snapshot(snapshot.id), 0700));
  const fs::path rootfs = deps_.root.rootfs(snapshot.id);
  LOCKET_TRY(MakeDirectory(rootfs, 0755));
  for (const char* name : {"dev", "etc", "proc", "run", "sys", "tmp"}) {
    LOCKET_TRY(MakeDirectory(rootfs / name, 0755));
  }
  LOCKET_TRY(WriteStub(rootfs / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"));
  LOCKET_TRY(WriteStub(rootfs / "etc/group", "root:x:0:\n"));
  // Of a converted image containerd has the ordinary config, which may name a user.
  if (deps_.converter != nullptr) {
    std::vector<std::string> layers;
    for (auto it = chain.rbegin(); it != chain.rend(); ++it) layers.push_back((*it)->layer->digest);
    LOCKET_TRY(deps_.converter->WriteAccounts(layers, rootfs / "etc"));
  }
  return Ok();
}

}  // namespace locket::snapshotter
