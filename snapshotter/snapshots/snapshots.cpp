#include "snapshotter/snapshots/snapshots.h"

#include "base/log.h"
#include "snapshotter/snapshots/disk_usage.h"
#include "snapshotter/snapshots/mounts.h"
#include "snapshotter/snapshots/names_and_labels.h"
#include "snapshotter/store/failpoint.h"
#include "snapshotter/store/filter.h"

namespace locket::snapshotter {

Result<std::unique_ptr<Snapshots>> Snapshots::Open(const SnapshotsDeps& deps) {
  LOCKET_TRY_ASSIGN(auto records, SnapshotRecords::Open(deps.store));
  std::unique_ptr<Snapshots> opened(new Snapshots(deps, std::move(records)));
  deps.blobs.SetUsedBy([records = opened->records_.get()](const std::string& digest) {
    return records->Refers(digest);
  });
  LOCKET_TRY(opened->RepairAllDirectories().While("repair"));
  LOCKET_TRY(deps.blobs.RemoveLeftovers().While("repair"));
  return opened;
}

Snapshots::Snapshots(const SnapshotsDeps& deps, std::unique_ptr<SnapshotRecords> records)
    : deps_(deps),
      records_(std::move(records)),
      directories_(deps.root, deps.converter),
      pulls_(deps.root, deps.blobs, deps.converter),
      images_(deps.containerd, deps.blobs, deps.converter),
      containers_({.root = deps.root,
                   .names = names_,
                   .records = *records_,
                   .directories = directories_,
                   .pulls = pulls_,
                   .images = images_,
                   .descriptions = RootfsDescriptions(deps.root, deps.blobs)}),
      sweeper_([this](uint64_t id) { Sweep(id); }) {}

Snapshots::~Snapshots() {
  if (deps_.converter != nullptr) deps_.converter->Stop();
}

int64_t Snapshots::Now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(deps_.clock.Now().time_since_epoch())
      .count();
}

Result<std::vector<Mount>> Snapshots::Prepare(const CreateRequest& request) {
  LOCKET_TRY(CheckName(request.key));
  LOCKET_TRY(CheckLabels(request.labels));
  if (const auto ref = request.labels.find(std::string(kSnapshotRefLabel));
      ref != request.labels.end()) {
    LOCKET_TRY_ASSIGN(const bool present, PrepareLayer(request, ref->second));
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
  LOCKET_TRY_ASSIGN(const uint64_t id, records_->TakeId());
  const SnapshotRecords::BusyId busy(*records_, id);
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
  Status made = sealed ? pulls_.RestoreBlobs(chain, request.gave_up) : Ok();
  if (made.ok()) made = directories_.Make(snapshot, chain);
  PassFailpoint("directories-made");
  if (made.ok()) made = records_->Write({.put = {snapshot}});
  if (made.ok()) return MountsOf(deps_.root, snapshot, chain);
  if (const Status removed = directories_.Remove(id); !removed.ok()) {
    log::Warning("leaving the directory of a snapshot that was not made to the next clean-up",
                 {{"snapshot", id}, log::Field(removed.error())});
  }
  return std::move(made).error().While("create snapshot '" + request.key + "'");
}

Result<Chain> Snapshots::ParentsFor(Kind kind, const CreateRequest& request) {
  LOCKET_TRY_ASSIGN(Place place, records_->PlaceFor(request.key, request.parent));
  Chain& chain = place.parents;
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
  return std::move(chain);
}

// True: the layer is there as a committed snapshot.
Result<bool> Snapshots::PrepareLayer(const CreateRequest& request, const std::string& ref) {
  LOCKET_TRY_ASSIGN(const Place place, records_->PlaceFor(request.key, request.parent, ref));
  if (!place.layer) return PullLayer(request, ref, place.parents);
  // An ordinary layer that another namespace has, or that containerd has forgotten with its
  // metadata: it would unpack it once more, perhaps under the very name that this one has.
  if (!place.layer->layer) {
    return pulls_.Converts(request.labels) ? PullLayer(request, ref, place.parents)
                                           : directories_.AreWhole(*place.layer);
  }
  // Heals a cache that lost a blob; costs a stat(2) otherwise. No registry has one that was made
  // here, so it is made again, if the labels tell of what.
  const SealedBlob& blob = *place.layer->layer;
  const BlobCache::Pin pin(deps_.blobs, {blob.digest});
  if (deps_.converter != nullptr && !deps_.blobs.Has(blob.digest, blob.size_bytes)) {
    LOCKET_TRY_ASSIGN(const bool present, PullLayer(request, ref, place.parents));
    if (present) return true;
  }
  LOCKET_TRY(pulls_.Refetch(request.labels, *place.layer));
  return true;
}

// False: containerd is to unpack the layer.
Result<bool> Snapshots::PullLayer(const CreateRequest& request, const std::string& ref,
                                  const Chain& below) {
  LOCKET_TRY_ASSIGN(
      const std::optional<PulledLayer> pulled,
      pulls_.Pull(
          {.labels = request.labels, .chain_id = ref, .below = below, .gave_up = request.gave_up}));
  if (!pulled) return false;
  const Status recorded = CommitLayer(request, ref, *pulled);
  pulls_.Conclude(*pulled, recorded);
  if (!recorded.ok()) return recorded.error();
  return true;
}

Status Snapshots::CommitLayer(const CreateRequest& request, const std::string& ref,
                              const PulledLayer& pulled) {
  // Not the name of a snapshot: those of one layer on one parent go one after the other.
  const std::string layer_lock = "layer " + ref + " on " + request.parent;
  const NameLocks::Hold hold(names_, {.exclusive = {layer_lock}, .shared = {request.parent}});
  // Whoever else waited for the same download may have been here first.
  LOCKET_TRY_ASSIGN(const Place now_there, records_->PlaceFor(request.key, request.parent, ref));
  if (now_there.layer && now_there.layer->layer) return Ok();
  const int64_t now = Now();
  LOCKET_TRY_ASSIGN(const uint64_t id, records_->TakeId());
  Snapshot snapshot{.id = id,
                    .kind = Kind::kCommitted,
                    // containerd finds it by its label; the id makes the name unique for sure.
                    .name = "sealed/" + std::to_string(id) + "/" + ref,
                    .parent = request.parent,
                    .created_ns = now,
                    .updated_ns = now,
                    .labels = request.labels,
                    .usage = {},
                    .image = pulled.image,
                    .layer = pulled.layer};
  return records_->Write({.put = {std::move(snapshot)}});
}

Result<std::vector<Mount>> Snapshots::Mounts(const std::string& key,
                                             const Converter::GaveUp& gave_up) {
  LOCKET_TRY_ASSIGN(const Lineage found, records_->GetLineage(key));
  const auto& [snapshot, parents] = found;
  if (snapshot->kind == Kind::kCommitted) {
    return Error(ErrorCode::kFailedPrecondition,
                 "snapshot '" + key + "' is committed: only active ones and views have mounts");
  }
  if (snapshot->sealed()) LOCKET_TRY(containers_.MakeReady(*snapshot, parents, gave_up));
  return MountsOf(deps_.root, *snapshot, parents);
}

Status Snapshots::Commit(const std::string& name, const std::string& key, const Labels& labels) {
  LOCKET_TRY(CheckName(name));
  LOCKET_TRY(CheckLabels(labels));
  const NameLocks::Hold hold(names_, {.exclusive = {name, key}});
  if (records_->Get(name).ok()) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + name + "' already exists");
  }
  LOCKET_TRY_ASSIGN(const SnapshotPtr active, records_->Get(key));
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
  return records_->Write({.put = {std::move(committed)}});
}

Status Snapshots::Remove(const std::string& key) {
  const NameLocks::Hold hold(names_, {.exclusive = {key}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr removed, records_->Get(key));
  if (records_->HasChildren(key)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "cannot remove snapshot '" + key + "': others lie on top of it");
  }
  const SnapshotRecords::BusyId busy(*records_, removed->id);
  LOCKET_TRY(records_->Write({.erase = {removed->id}}));
  PassFailpoint("record-erased");
  // The snapshot is gone for everybody by now, so what resists is no failure.
  if (!removed->layer) {
    sweeper_.Add(removed->id);
  } else if (const Status trimmed = TrimBlobs(*removed); !trimmed.ok()) {
    log::Warning("leaving the blobs of a removed snapshot to the next clean-up",
                 {{"snapshot", removed->id}, log::Field(trimmed.error())});
  }
  return Ok();
}

Status Snapshots::TrimBlobs(const Snapshot& removed) {
  // They were used until now; so they are not the first to go.
  for (const std::string& digest :
       {removed.layer->digest, removed.image->manifest_digest, removed.image->config_digest}) {
    deps_.blobs.Touch(digest);
  }
  LOCKET_TRY(deps_.blobs.Trim());
  return Ok();
}

Result<Snapshot> Snapshots::Stat(const std::string& key) {
  LOCKET_TRY_ASSIGN(const SnapshotPtr found, records_->Get(key));
  return *found;
}

Result<Snapshot> Snapshots::Update(const std::string& name, const Labels& labels,
                                   std::span<const std::string> paths) {
  const NameLocks::Hold hold(names_, {.exclusive = {name}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr found, records_->Get(name));
  Snapshot updated = *found;
  LOCKET_TRY_ASSIGN(updated.labels, UpdatedLabels(found->labels, labels, paths, name));
  updated.updated_ns = Now();
  LOCKET_TRY(records_->Write({.put = {updated}}));
  return updated;
}

Result<std::vector<Snapshot>> Snapshots::List(std::span<const std::string> filters) {
  std::vector<Filter> parsed;
  for (const std::string& text : filters) {
    LOCKET_TRY_ASSIGN(Filter filter, Filter::Parse(text));
    parsed.push_back(std::move(filter));
  }
  std::vector<Snapshot> found;
  for (const SnapshotPtr& snapshot : records_->All()) {
    if (MatchesAny(parsed, *snapshot)) found.push_back(*snapshot);
  }
  return found;
}

Result<Usage> Snapshots::UsageOf(const std::string& key) {
  LOCKET_TRY_ASSIGN(const SnapshotPtr snapshot, records_->Get(key));
  if (snapshot->layer) return Usage{.size_bytes = snapshot->layer->size_bytes, .inodes = 1};
  if (snapshot->usage) return *snapshot->usage;
  if (snapshot->kind == Kind::kView) return Usage{};
  LOCKET_TRY_ASSIGN(const Usage usage, MeasureUsage(deps_.root.snapshot(snapshot->id)));
  if (snapshot->kind == Kind::kCommitted) RememberUsage(*snapshot, usage);
  return usage;
}

// Committed content does not change: measured once, not in Commit, which has to be quick.
void Snapshots::RememberUsage(const Snapshot& measured, const Usage& usage) {
  const NameLocks::Hold hold(names_, {.exclusive = {measured.name}});
  const auto now = records_->Get(measured.name);
  if (!now.ok() || (*now)->id != measured.id) return;
  Snapshot changed = **now;
  changed.usage = usage;
  // A full disk is when the kubelet has to know most: then it is measured again next time.
  if (const Status kept = records_->Write({.put = {std::move(changed)}}); !kept.ok()) {
    log::Debug("not remembering a snapshot's usage",
               {{"key", measured.name}, log::Field(kept.error())});
  }
}

void Snapshots::Sweep(uint64_t id) {
  const Status swept = directories_.Remove(id);
  PassFailpoint("directories-removed");
  if (swept.ok()) return;
  log::Warning("leaving the directories of a removed snapshot to the next clean-up",
               {{"snapshot", id}, log::Field(swept.error())});
}

// Records and busy IDs first: an ID that Remove has done with is the sweeper's already.
std::set<uint64_t> Snapshots::KnownIds() {
  std::set<uint64_t> ids = records_->IdsInUse();
  const std::vector<uint64_t> pending = sweeper_.pending();
  ids.insert(pending.begin(), pending.end());
  return ids;
}

Status Snapshots::Cleanup() {
  sweeper_.Drain();
  LOCKET_TRY(directories_.RemoveStrays([this] { return KnownIds(); }).While("clean up"));
  LOCKET_TRY(deps_.blobs.Trim().While("clean up"));
  if (deps_.converter != nullptr) LOCKET_TRY(deps_.converter->Cleanup().While("clean up"));
  return deps_.blobs.RemoveStalePartials(deps_.keep_partials);
}

Status Snapshots::RepairAllDirectories() {
  LOCKET_TRY(directories_.RemoveStrays([this] { return KnownIds(); }));
  for (const SnapshotPtr& snapshot : records_->All()) {
    if (directories_.AreWhole(*snapshot)) continue;
    const Status repaired = RepairDirectories(*snapshot);
    // One snapshot less is better than none at all.
    if (!repaired.ok())
      log::Error("a snapshot has lost its directory", {log::Field(repaired.error())});
  }
  return Ok();
}

Status Snapshots::RepairDirectories(const Snapshot& snapshot) {
  LOCKET_TRY_ASSIGN(const Chain parents,
                    records_->ChainOf(snapshot.parent).While("snapshot '" + snapshot.name + "'"));
  return directories_.Repair(snapshot, parents);
}

bool Snapshots::NeedsRepair(const Snapshot& snapshot) const {
  if (!directories_.AreWhole(snapshot)) return true;
  if (snapshot.layer) return !pulls_.AreBlobsThere(snapshot);
  return snapshot.image_known && !containers_.IsReady(snapshot);
}

Status Snapshots::RepairSnapshot(const Snapshot& snapshot) {
  if (snapshot.layer) return pulls_.Restore(snapshot);
  if (snapshot.sealed()) {
    LOCKET_TRY_ASSIGN(const Chain chain, records_->ChainOf(snapshot.parent));
    return containers_.MakeReady(snapshot, chain);
  }
  const NameLocks::Hold hold(names_, {.exclusive = {snapshot.name}, .shared = {snapshot.parent}});
  // Removed while others were repaired: nothing to do.
  const auto now = records_->Get(snapshot.name);
  return now.ok() && (*now)->id == snapshot.id ? RepairDirectories(snapshot) : Ok();
}

RepairReport Snapshots::Repair() {
  RepairReport report;
  for (const SnapshotPtr& snapshot : records_->All()) {
    if (!NeedsRepair(*snapshot)) continue;
    const Status repaired = RepairSnapshot(*snapshot);
    if (repaired.ok()) {
      ++report.num_healed;
    } else if (records_->Get(snapshot->name).ok()) {
      report.not_healed.push_back(repaired.error().message());
    }
  }
  return report;
}

}  // namespace locket::snapshotter
