#include "snapshotter/snapshots/snapshots.h"

#include <unistd.h>

#include "base/log.h"
#include "snapshotter/snapshots/disk_usage.h"
#include "snapshotter/snapshots/mounts.h"
#include "snapshotter/store/failpoint.h"
#include "snapshotter/store/filter.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxNameBytes = 16U << 10;
constexpr size_t kMaxLabelBytes = 4096;  // key and value together; containerd's limit
constexpr uint64_t kIdsAtOnce = 1024;    // that the store is told of in advance
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

// A container is called otherwise: `ctr images mount` and the image volumes of CRI take the path to
// mount at for a key, or a name of their own where there is no path.
bool IsForTheHost(const std::string& name) {
  const auto parts = SplitSnapshotName(name);
  if (!parts) return false;
  return parts->key.find('/') != std::string::npos || parts->key.starts_with("ctr-images-mount-");
}

bool KernelKnowsIndexOption() {
  static const bool kKnown = ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
  return kKnown;
}

}  // namespace

Snapshots::BusyId::BusyId(Snapshots& snapshots, uint64_t id) : snapshots_(snapshots), id_(id) {
  const std::lock_guard lock(snapshots_.mutex_);
  snapshots_.busy_ids_.insert(id_);
}

Snapshots::BusyId::~BusyId() {
  const std::lock_guard lock(snapshots_.mutex_);
  snapshots_.busy_ids_.erase(snapshots_.busy_ids_.find(id_));
}

Result<std::unique_ptr<Snapshots>> Snapshots::Open(const SnapshotsDeps& deps) {
  LOCKET_TRY_ASSIGN(StoreContents contents, deps.store.Load().While("load snapshots"));
  const uint64_t next_id = contents.next_id;
  LOCKET_TRY_ASSIGN(SnapshotTable table,
                    SnapshotTable::From(std::move(contents)).While("load snapshots"));
  std::unique_ptr<Snapshots> opened(new Snapshots(deps, std::move(table), next_id));
  deps.blobs.SetUsedBy([table = opened.get()](const std::string& digest) {
    const std::lock_guard lock(table->mutex_);
    return table->table_.Refers(digest);
  });
  LOCKET_TRY(opened->RepairDirectories().While("repair"));
  LOCKET_TRY(deps.blobs.RemoveLeftovers().While("repair"));
  return opened;
}

Snapshots::~Snapshots() {
  if (deps_.converter != nullptr) deps_.converter->Stop();
}

int64_t Snapshots::Now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(deps_.clock.Now().time_since_epoch())
      .count();
}

// Ids are reserved in blocks: no creation needs a write of its own for its id.
Result<uint64_t> Snapshots::TakeId() {
  const std::lock_guard lock(id_mutex_);
  if (next_id_ == reserved_ids_) {
    LOCKET_TRY(deps_.store.Apply({.next_id = reserved_ids_ + kIdsAtOnce}));
    PassFailpoint("ids-reserved");
    reserved_ids_ += kIdsAtOnce;
  }
  return next_id_++;
}

Status Snapshots::Write(const StoreChange& change) {
  PassFailpoint("before-write");
  LOCKET_TRY(deps_.store.Apply(change));
  PassFailpoint("written");
  const std::lock_guard lock(mutex_);
  table_.Apply(change);
  return Ok();
}

size_t Snapshots::size() const {
  const std::lock_guard lock(mutex_);
  return table_.all().size();
}

Result<SnapshotPtr> Snapshots::Get(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return table_.Get(name);
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

// First the directories, then the record: one that has none belongs to nobody, and start-up removes
// it.
Result<std::vector<Mount>> Snapshots::Create(Kind kind, const CreateRequest& request) {
  const NameLocks::Hold hold(names_, {.exclusive = {request.key}, .shared = {request.parent}});
  LOCKET_TRY_ASSIGN(const Chain chain, ParentsFor(kind, request));
  LOCKET_TRY_ASSIGN(const uint64_t id, TakeId());
  const BusyId busy(*this, id);
  const int64_t now = Now();
  const bool sealed = !chain.empty() && chain.front()->sealed();
  const Snapshot snapshot{.id = id,
                          .kind = kind,
                          .name = request.key,
                          .parent = request.parent,
                          .created_ns = now,
                          .updated_ns = now,
                          .labels = request.labels,
                          .usage = {},
                          .image = sealed ? chain.front()->image : std::nullopt};
  Status made = sealed ? RestoreLayers(chain, request.gave_up) : Ok();
  if (made.ok()) made = MakeDirectories(snapshot, chain);
  PassFailpoint("directories-made");
  if (made.ok()) made = Write({.put = {snapshot}});
  if (made.ok()) return MountsFor(snapshot, chain);
  if (const Status removed = RemoveDirectories(id); !removed.ok()) {
    log::Warning("leaving the directory of a snapshot that was not made to the next clean-up",
                 {{"snapshot", id}, log::Field(removed.error())});
  }
  return std::move(made).error().While("create snapshot '" + request.key + "'");
}

Result<Chain> Snapshots::ParentsFor(Kind kind, const CreateRequest& request) {
  const std::lock_guard lock(mutex_);
  if (table_.Find(request.key)) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + request.key + "' already exists");
  }
  LOCKET_TRY_ASSIGN(Chain chain, table_.ChainOf(request.parent));
  const bool sealed = !chain.empty() && chain.front()->sealed();
  const bool unpacks =
      kind == Kind::kActive &&
      (IsUnpackKey(request.key) || request.labels.contains(std::string(kSnapshotRefLabel)));
  if (sealed && unpacks) {
    return Error(ErrorCode::kFailedPrecondition,
                 "containerd wants to unpack a layer onto sealed layer '" + request.parent +
                     "' without the cri labels that say which: set disable_snapshot_annotations = "
                     "false in its CRI configuration and pull the image again");
  }
  if (sealed && IsForTheHost(request.key)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the image is sealed: only a guest opens its layers, so there is nothing to mount "
                 "on this host; `locket image extract` unpacks it for those who have its keys");
  }
  return chain;
}

std::vector<Mount> Snapshots::MountsFor(const Snapshot& snapshot, const Chain& chain) const {
  if (snapshot.sealed()) {
    return SealedMounts(snapshot.kind, deps_.root.rootfs(snapshot.id),
                        deps_.root.rootfs_json(snapshot.id));
  }
  OverlayPlan plan{.kind = snapshot.kind,
                   .content = deps_.root.snapshot(snapshot.id),
                   .work = deps_.root.work(snapshot.id),
                   .parents = {},
                   .index_off = KernelKnowsIndexOption()};
  for (const SnapshotPtr& parent : chain) plan.parents.push_back(deps_.root.snapshot(parent->id));
  return OverlayMounts(plan);
}

Result<std::vector<Mount>> Snapshots::Mounts(const std::string& key,
                                             const Converter::GaveUp& gave_up) {
  std::unique_lock lock(mutex_);
  LOCKET_TRY_ASSIGN(const SnapshotPtr snapshot, table_.Get(key));
  if (snapshot->kind == Kind::kCommitted) {
    return Error(ErrorCode::kFailedPrecondition,
                 "snapshot '" + key + "' is committed: only active ones and views have mounts");
  }
  LOCKET_TRY_ASSIGN(const Chain chain, table_.ChainOf(snapshot->parent));
  lock.unlock();
  if (snapshot->sealed()) LOCKET_TRY(RestoreContainer(*snapshot, chain, gave_up));
  return MountsFor(*snapshot, chain);
}

Status Snapshots::Commit(const std::string& name, const std::string& key, const Labels& labels) {
  LOCKET_TRY(CheckName(name));
  LOCKET_TRY(CheckLabels(labels));
  const NameLocks::Hold hold(names_, {.exclusive = {name, key}});
  if (Get(name).ok()) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + name + "' already exists");
  }
  LOCKET_TRY_ASSIGN(const SnapshotPtr active, Get(key));
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
  return Write({.put = {std::move(committed)}});
}

Status Snapshots::Remove(const std::string& key) {
  const NameLocks::Hold hold(names_, {.exclusive = {key}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr removed, Get(key));
  {
    const std::lock_guard lock(mutex_);
    if (table_.HasChildren(key)) {
      return Error(ErrorCode::kFailedPrecondition,
                   "cannot remove snapshot '" + key + "': others lie on top of it");
    }
  }
  const BusyId busy(*this, removed->id);
  LOCKET_TRY(Write({.erase = {removed->id}}));
  PassFailpoint("record-erased");
  // The snapshot is gone for everybody by now, so what resists is no failure.
  if (!removed->layer) {
    sweeper_.Add(removed->id);
  } else if (const Status trimmed = TrimBlobs(removed); !trimmed.ok()) {
    log::Warning("leaving the blobs of a removed snapshot to the next clean-up",
                 {{"snapshot", removed->id}, log::Field(trimmed.error())});
  }
  return Ok();
}

Status Snapshots::TrimBlobs(const SnapshotPtr& removed) {
  // They were used until now; so they are not the first to go.
  for (const std::string& digest :
       {removed->layer->digest, removed->image->manifest_digest, removed->image->config_digest}) {
    deps_.blobs.Touch(digest);
  }
  LOCKET_TRY(deps_.blobs.Trim());
  return Ok();
}

Result<Snapshot> Snapshots::Stat(const std::string& key) {
  LOCKET_TRY_ASSIGN(const SnapshotPtr found, Get(key));
  return *found;
}

Result<Snapshot> Snapshots::Update(const std::string& name, const Labels& labels,
                                   std::span<const std::string> paths) {
  const NameLocks::Hold hold(names_, {.exclusive = {name}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr found, Get(name));
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
  LOCKET_TRY(Write({.put = {updated}}));
  return updated;
}

Result<std::vector<Snapshot>> Snapshots::List(std::span<const std::string> filters) {
  std::vector<Filter> parsed;
  for (const std::string& text : filters) {
    LOCKET_TRY_ASSIGN(Filter filter, Filter::Parse(text));
    parsed.push_back(std::move(filter));
  }
  Chain all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(table_.all().size());
    for (const auto& [id, snapshot] : table_.all()) all.push_back(snapshot);
  }
  std::vector<Snapshot> found;
  for (const SnapshotPtr& snapshot : all) {
    if (MatchesAny(parsed, *snapshot)) found.push_back(*snapshot);
  }
  return found;
}

Result<Usage> Snapshots::UsageOf(const std::string& key) {
  LOCKET_TRY_ASSIGN(const SnapshotPtr snapshot, Get(key));
  if (snapshot->layer) return Usage{.size_bytes = snapshot->layer->size_bytes, .inodes = 1};
  if (snapshot->usage) return *snapshot->usage;
  if (snapshot->kind == Kind::kView) return Usage{};
  LOCKET_TRY_ASSIGN(const Usage usage, MeasureUsage(deps_.root.snapshot(snapshot->id)));
  if (snapshot->kind != Kind::kCommitted) return usage;
  // Committed content does not change: measured once, not in Commit, which has to be quick.
  const NameLocks::Hold hold(names_, {.exclusive = {key}});
  const auto now = Get(key);
  if (now.ok() && (*now)->id == snapshot->id) {
    Snapshot measured = **now;
    measured.usage = usage;
    // A full disk is when the kubelet has to know most: then it is measured again next time.
    if (const Status kept = Write({.put = {std::move(measured)}}); !kept.ok()) {
      log::Debug("not remembering a snapshot's usage", {{"key", key}, log::Field(kept.error())});
    }
  }
  return usage;
}

Status Snapshots::Cleanup() {
  sweeper_.Drain();
  LOCKET_TRY(RemoveStrayDirectories().While("clean up"));
  LOCKET_TRY(deps_.blobs.Trim().While("clean up"));
  if (deps_.converter != nullptr) LOCKET_TRY(deps_.converter->Cleanup().While("clean up"));
  return deps_.blobs.RemoveStalePartials(deps_.keep_partials);
}

}  // namespace locket::snapshotter
