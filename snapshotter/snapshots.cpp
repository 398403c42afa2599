#include "snapshotter/snapshots.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "snapshotter/disk_usage.h"
#include "snapshotter/filter.h"
#include "snapshotter/mounts.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxNameBytes = 16U << 10;
constexpr size_t kMaxLabelBytes = 4096;  // key and value together; containerd's limit
constexpr std::string_view kLabelsPath = "labels";
constexpr std::string_view kLabelPathPrefix = "labels.";

Status CheckName(const std::string& name) {
  if (name.empty()) return Error(ErrorCode::kInvalidArgument, "a snapshot needs a name");
  if (name.size() > kMaxNameBytes) {
    return Error(ErrorCode::kInvalidArgument, "a snapshot's name is longer than 16 KiB");
  }
  return Ok();
}

Status CheckLabels(const Labels& labels) {
  for (const auto& [key, value] : labels) {
    if (key.size() + value.size() <= kMaxLabelBytes) continue;
    return Error(ErrorCode::kInvalidArgument,
                 "label '" + key.substr(0, 64) + "' and its value are longer than 4096 bytes");
  }
  return Ok();
}

// containerd unpacks a layer under a key `extract-<random> <chain ID>`, behind the namespace and
// number that its metadata store puts in front.
bool IsUnpackKey(std::string_view key) {
  return key.substr(key.rfind('/') + 1).starts_with("extract-");
}

bool KernelKnowsIndexOption() {
  static const bool kKnown = ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
  return kKnown;
}

}  // namespace

Result<std::unique_ptr<Snapshots>> Snapshots::Open(const SnapshotsDeps& deps) {
  LOCKET_TRY_ASSIGN(SnapshotTable table, SnapshotTable::Load(deps.store).While("load snapshots"));
  std::unique_ptr<Snapshots> opened(new Snapshots(deps, std::move(table)));
  LOCKET_TRY(opened->Repair().While("repair"));
  return opened;
}

int64_t Snapshots::Now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(deps_.clock.Now().time_since_epoch())
      .count();
}

Status Snapshots::Repair() {
  std::vector<uint64_t> unfinished;
  for (const auto& [id, snapshot] : table_.all()) {
    if (snapshot.state != State::kReady) unfinished.push_back(id);
  }
  for (const uint64_t id : unfinished) {
    log::Info("undoing what was cut off", {{"snapshot", id}});
    LOCKET_TRY(FinishRemoval(id));
  }
  std::error_code failed;
  std::vector<fs::path> strays;
  for (fs::directory_iterator it(deps_.root.snapshots(), failed), end; !failed && it != end;
       it.increment(failed)) {
    const std::string name = it->path().filename();
    const bool known = std::ranges::any_of(
        table_.all(), [&](const auto& entry) { return std::to_string(entry.first) == name; });
    if (!known) strays.push_back(it->path());
  }
  if (failed) return Error::FromErrno(failed.value(), "list snapshots");
  for (const fs::path& stray : strays) LOCKET_TRY(RemoveTree(stray));
  return deps_.blobs.RemoveLeftovers();
}

Result<std::vector<Mount>> Snapshots::Prepare(const CreateRequest& request) {
  LOCKET_TRY(CheckName(request.key));
  LOCKET_TRY(CheckLabels(request.labels));
  if (const auto ref = request.labels.find(std::string(kSnapshotRefLabel));
      ref != request.labels.end()) {
    LOCKET_TRY_ASSIGN(const bool present, PrepareRemote(request, ref->second));
    if (present) {
      return Error(ErrorCode::kAlreadyExists, "target snapshot '" + ref->second + "' is there");
    }
  }
  return Create(Kind::kActive, request);
}

Result<std::vector<Mount>> Snapshots::View(const CreateRequest& request) {
  LOCKET_TRY(CheckName(request.key));
  LOCKET_TRY(CheckLabels(request.labels));
  return Create(Kind::kView, request);
}

Result<std::vector<Mount>> Snapshots::Create(Kind kind, const CreateRequest& request) {
  std::vector<Snapshot> chain;
  LOCKET_TRY_ASSIGN(Snapshot snapshot, Reserve(kind, request, chain));
  Status made = MakeDirectories(snapshot, chain);
  if (made.ok()) {
    const std::lock_guard lock(mutex_);
    snapshot.state = State::kReady;
    made = table_.Apply({.put = {snapshot}});
  }
  if (!made.ok()) {
    if (const Status abandoned = Abandon(snapshot.id); !abandoned.ok()) {
      log::Warning("leaving a snapshot that was not made to the next clean-up",
                   {{"snapshot", snapshot.id}, log::Field(abandoned.error())});
    }
    return std::move(made).error().While("create snapshot '" + request.key + "'");
  }
  return MountsFor(snapshot, chain);
}

// The intention: from here on the name is taken and the parent cannot go.
Result<Snapshot> Snapshots::Reserve(Kind kind, const CreateRequest& request,
                                    std::vector<Snapshot>& chain) {
  const std::lock_guard lock(mutex_);
  if (table_.Find(request.key) != nullptr) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + request.key + "' already exists");
  }
  LOCKET_TRY_ASSIGN(chain, table_.Chain(request.parent));
  const bool sealed = !chain.empty() && chain.front().sealed();
  const bool unpacks =
      kind == Kind::kActive &&
      (IsUnpackKey(request.key) || request.labels.contains(std::string(kSnapshotRefLabel)));
  if (sealed && unpacks) {
    return Error(ErrorCode::kFailedPrecondition,
                 "containerd wants to unpack a layer onto sealed layer '" + request.parent +
                     "' without the cri labels that say which: set disable_snapshot_annotations = "
                     "false in its CRI configuration and pull the image again");
  }
  const int64_t now = Now();
  Snapshot snapshot{.id = table_.next_id(),
                    .state = State::kCreating,
                    .kind = kind,
                    .name = request.key,
                    .parent = request.parent,
                    .created_ns = now,
                    .updated_ns = now,
                    .labels = request.labels,
                    .usage = {},
                    .image = sealed ? chain.front().image : std::nullopt};
  LOCKET_TRY(table_.Apply({.put = {snapshot}, .next_id = snapshot.id + 1}));
  return snapshot;
}

Status Snapshots::MakeDirectories(const Snapshot& snapshot, const std::vector<Snapshot>& chain) {
  LOCKET_TRY(MakeDirectory(deps_.root.snapshot(snapshot.id), 0700));
  if (snapshot.sealed()) {
    LOCKET_TRY(MakeSealedDirectories(snapshot, chain));
  } else {
    const fs::path content = deps_.root.content(snapshot.id);
    LOCKET_TRY(MakeDirectory(content, 0755));
    if (snapshot.kind == Kind::kActive)
      LOCKET_TRY(MakeDirectory(deps_.root.work(snapshot.id), 0711));
    if (!chain.empty()) {
      // The root of an overlay is its upper directory, which so takes the owner of the one below.
      struct stat below {};
      const fs::path parent = deps_.root.content(chain.front().id);
      if (::lstat(parent.c_str(), &below) != 0) {
        return Error::FromErrno(errno, "look at parent '" + parent.string() + "'");
      }
      if ((below.st_uid != ::geteuid() || below.st_gid != ::getegid()) &&
          ::lchown(content.c_str(), below.st_uid, below.st_gid) != 0) {
        return Error::FromErrno(errno, "set owner of '" + content.string() + "'");
      }
    }
  }
  LOCKET_TRY(SyncDirectory(deps_.root.snapshot(snapshot.id)));
  return SyncDirectory(deps_.root.snapshots());
}

// CRI mounts the stub for a moment to read /etc/passwd, and containerd looks for some directories
// in a root file system; the real one exists in the guest alone.
Status Snapshots::MakeSealedDirectories(const Snapshot& snapshot,
                                        const std::vector<Snapshot>& chain) {
  const fs::path rootfs = deps_.root.rootfs(snapshot.id);
  LOCKET_TRY(MakeDirectory(rootfs, 0755));
  for (const char* name : {"dev", "etc", "proc", "run", "sys", "tmp"}) {
    LOCKET_TRY(MakeDirectory(rootfs / name, 0755));
  }
  LOCKET_TRY_ASSIGN(const std::string description, DescribeRootfs(*snapshot.image, chain));
  return ReplaceFileDurably(deps_.root.rootfs_json(snapshot.id), description);
}

Status Snapshots::Abandon(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    table_.Hide(id);
  }
  const std::lock_guard removal(removal_mutex_);
  return FinishRemoval(id);
}

// Effect and outcome of a removal whose intention is in the table. May be repeated.
Status Snapshots::FinishRemoval(uint64_t id) {
  LOCKET_TRY(RemoveTree(deps_.root.snapshot(id)));
  LOCKET_TRY(SyncDirectory(deps_.root.snapshots()));
  const std::lock_guard lock(mutex_);
  return table_.Apply({.erase = {id}});
}

std::vector<Mount> Snapshots::MountsFor(const Snapshot& snapshot,
                                        const std::vector<Snapshot>& chain) const {
  if (snapshot.sealed()) {
    return SealedMounts(snapshot.kind, deps_.root.rootfs(snapshot.id),
                        deps_.root.rootfs_json(snapshot.id));
  }
  OverlayPlan plan{.kind = snapshot.kind,
                   .content = deps_.root.content(snapshot.id),
                   .work = deps_.root.work(snapshot.id),
                   .parents = {},
                   .index_off = KernelKnowsIndexOption()};
  for (const Snapshot& parent : chain) plan.parents.push_back(deps_.root.content(parent.id));
  return OverlayMounts(plan);
}

Result<std::vector<Mount>> Snapshots::Mounts(const std::string& key) {
  const std::lock_guard lock(mutex_);
  LOCKET_TRY_ASSIGN(const Snapshot* snapshot, table_.FindReady(key));
  if (snapshot->kind == Kind::kCommitted) {
    return Error(ErrorCode::kFailedPrecondition,
                 "snapshot '" + key + "' is committed: only active ones and views have mounts");
  }
  LOCKET_TRY_ASSIGN(const std::vector<Snapshot> chain, table_.Chain(snapshot->parent));
  return MountsFor(*snapshot, chain);
}

Status Snapshots::Commit(const std::string& name, const std::string& key, const Labels& labels) {
  LOCKET_TRY(CheckName(name));
  LOCKET_TRY(CheckLabels(labels));
  const std::lock_guard lock(mutex_);
  if (table_.Find(name) != nullptr) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + name + "' already exists");
  }
  LOCKET_TRY_ASSIGN(const Snapshot* active, table_.FindReady(key));
  if (active->kind != Kind::kActive) {
    return Error(ErrorCode::kFailedPrecondition, "snapshot '" + key + "' is not active");
  }
  if (active->sealed()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "snapshot '" + key +
                     "' lies on sealed layers: what the container wrote is in its " +
                     "guest alone, so there is nothing to commit");
  }
  Snapshot committed = *active;
  committed.kind = Kind::kCommitted;
  committed.name = name;
  committed.labels = labels;
  committed.created_ns = committed.updated_ns = Now();
  return table_.Apply({.put = {std::move(committed)}});
}

Status Snapshots::Remove(const std::string& key) {
  Snapshot removed{.id = 0,
                   .state = State::kRemoving,
                   .kind = Kind::kView,
                   .name = {},
                   .created_ns = 0,
                   .updated_ns = 0};
  {
    const std::lock_guard lock(mutex_);
    LOCKET_TRY_ASSIGN(const Snapshot* found, table_.FindReady(key));
    if (table_.HasChildren(key)) {
      return Error(ErrorCode::kFailedPrecondition,
                   "cannot remove snapshot '" + key + "': others lie on top of it");
    }
    removed = *found;
    removed.state = State::kRemoving;
    LOCKET_TRY(table_.Apply({.put = {removed}}));
    if (removed.layer) {
      const Status swept = RemoveUnusedBlobs(
          {removed.layer->digest, removed.image->manifest_digest, removed.image->config_digest});
      if (!swept.ok()) {
        log::Warning("leaving a blob to the next clean-up", {log::Field(swept.error())});
      }
    }
  }
  // The snapshot is gone for everybody by now, so a directory that resists is no failure.
  const std::lock_guard removal(removal_mutex_);
  if (const Status finished = FinishRemoval(removed.id); !finished.ok()) {
    log::Warning("leaving a removed snapshot's directory to the next clean-up",
                 {{"snapshot", removed.id}, log::Field(finished.error())});
  }
  return Ok();
}

// Under mutex_, so that no snapshot can begin to refer to a blob meanwhile; one that is about to
// holds a pin.
Status Snapshots::RemoveUnusedBlobs(const std::vector<std::string>& candidates) {
  std::set<std::string_view> used;
  for (const auto& [id, snapshot] : table_.all()) {
    if (snapshot.state == State::kRemoving) continue;
    if (snapshot.layer) used.insert(snapshot.layer->digest);
    if (snapshot.image)
      used.insert({snapshot.image->manifest_digest, snapshot.image->config_digest});
  }
  for (const std::string& digest : candidates) {
    if (!used.contains(digest)) LOCKET_TRY(deps_.blobs.Remove(digest));
  }
  return Ok();
}

Result<Snapshot> Snapshots::Stat(const std::string& key) {
  const std::lock_guard lock(mutex_);
  LOCKET_TRY_ASSIGN(const Snapshot* found, table_.FindReady(key));
  return *found;
}

Result<Snapshot> Snapshots::Update(const std::string& name, const Labels& labels,
                                   std::span<const std::string> paths) {
  const std::lock_guard lock(mutex_);
  LOCKET_TRY_ASSIGN(const Snapshot* found, table_.FindReady(name));
  Snapshot updated = *found;
  if (paths.empty()) updated.labels = labels;
  for (const std::string& path : paths) {
    if (path == kLabelsPath) {
      updated.labels = labels;
    } else if (path.starts_with(kLabelPathPrefix)) {
      const std::string key = path.substr(kLabelPathPrefix.size());
      const auto value = labels.find(key);
      updated.labels[key] = value == labels.end() ? "" : value->second;
    } else {
      return Error(ErrorCode::kInvalidArgument,
                   "cannot update '" + path + "' of snapshot '" + name + "': only labels change");
    }
  }
  std::erase_if(updated.labels, [](const auto& label) { return label.second.empty(); });
  LOCKET_TRY(CheckLabels(updated.labels));
  updated.updated_ns = Now();
  LOCKET_TRY(table_.Apply({.put = {updated}}));
  return updated;
}

Result<std::vector<Snapshot>> Snapshots::List(std::span<const std::string> filters) {
  std::vector<Filter> parsed;
  for (const std::string& text : filters) {
    LOCKET_TRY_ASSIGN(Filter filter, Filter::Parse(text));
    parsed.push_back(std::move(filter));
  }
  std::vector<Snapshot> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, snapshot] : table_.all()) {
    if (snapshot.state == State::kReady && MatchesAny(parsed, snapshot)) found.push_back(snapshot);
  }
  return found;
}

Result<Usage> Snapshots::UsageOf(const std::string& key) {
  LOCKET_TRY_ASSIGN(const Snapshot snapshot, Stat(key));
  if (snapshot.layer) return Usage{.size_bytes = snapshot.layer->size_bytes, .inodes = 1};
  if (snapshot.usage) return *snapshot.usage;
  if (snapshot.kind == Kind::kView) return Usage{};
  LOCKET_TRY_ASSIGN(const Usage usage,
                    MeasureUsage(snapshot.sealed() ? deps_.root.snapshot(snapshot.id)
                                                   : deps_.root.content(snapshot.id)));
  if (snapshot.kind == Kind::kCommitted) {
    // Committed content does not change: measured once, not in Commit, which has to be quick.
    const std::lock_guard lock(mutex_);
    const auto now = table_.FindReady(key);
    if (now.ok() && (*now)->id == snapshot.id) {
      Snapshot measured = **now;
      measured.usage = usage;
      LOCKET_TRY(table_.Apply({.put = {std::move(measured)}}));
    }
  }
  return usage;
}

Status Snapshots::Cleanup() {
  std::vector<uint64_t> removing;
  const std::lock_guard removal(removal_mutex_);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, snapshot] : table_.all()) {
      if (snapshot.state == State::kRemoving) removing.push_back(id);
    }
  }
  for (const uint64_t id : removing) LOCKET_TRY(FinishRemoval(id).While("clean up"));
  LOCKET_TRY_ASSIGN(const std::vector<std::string> blobs, deps_.blobs.All());
  {
    const std::lock_guard lock(mutex_);
    LOCKET_TRY(RemoveUnusedBlobs(blobs).While("clean up"));
  }
  return deps_.blobs.RemoveStalePartials(deps_.keep_partials);
}

}  // namespace locket::snapshotter
