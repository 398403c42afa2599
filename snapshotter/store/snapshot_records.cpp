#include "snapshotter/store/snapshot_records.h"

#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace {

constexpr uint64_t kIdsAtOnce = 1024;  // that the store is told of in advance

}  // namespace

SnapshotRecords::BusyId::BusyId(SnapshotRecords& records, uint64_t id)
    : records_(records), id_(id) {
  const std::lock_guard lock(records_.mutex_);
  records_.busy_ids_.insert(id_);
}

SnapshotRecords::BusyId::~BusyId() {
  const std::lock_guard lock(records_.mutex_);
  records_.busy_ids_.erase(records_.busy_ids_.find(id_));
}

Result<std::unique_ptr<SnapshotRecords>> SnapshotRecords::Open(Store& store) {
  LOCKET_TRY_ASSIGN(StoreContents contents, store.Load().While("load snapshots"));
  const uint64_t next_id = contents.next_id;
  LOCKET_TRY_ASSIGN(SnapshotTable table,
                    SnapshotTable::From(std::move(contents)).While("load snapshots"));
  return std::unique_ptr<SnapshotRecords>(new SnapshotRecords(store, std::move(table), next_id));
}

Result<SnapshotPtr> SnapshotRecords::Get(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return table_.Get(name);
}

Result<Lineage> SnapshotRecords::GetLineage(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  LOCKET_TRY_ASSIGN(SnapshotPtr snapshot, table_.Get(name));
  LOCKET_TRY_ASSIGN(Chain parents, table_.ChainOf(snapshot->parent));
  return Lineage{.snapshot = std::move(snapshot), .parents = std::move(parents)};
}

Result<Chain> SnapshotRecords::ChainOf(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return table_.ChainOf(name);
}

Result<Place> SnapshotRecords::PlaceFor(const std::string& key, const std::string& parent,
                                        const std::optional<std::string>& ref) const {
  const std::lock_guard lock(mutex_);
  if (table_.Find(key)) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + key + "' already exists");
  }
  LOCKET_TRY_ASSIGN(Chain parents, table_.ChainOf(parent));
  return Place{.parents = std::move(parents),
               .layer = ref ? table_.FindLayer(*ref, parent) : nullptr};
}

bool SnapshotRecords::HasChildren(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return table_.HasChildren(name);
}

bool SnapshotRecords::Refers(const std::string& digest) const {
  const std::lock_guard lock(mutex_);
  return table_.Refers(digest);
}

Chain SnapshotRecords::All() const {
  const std::lock_guard lock(mutex_);
  Chain all;
  all.reserve(table_.all().size());
  for (const auto& [id, snapshot] : table_.all()) all.push_back(snapshot);
  return all;
}

size_t SnapshotRecords::size() const {
  const std::lock_guard lock(mutex_);
  return table_.all().size();
}

std::set<uint64_t> SnapshotRecords::IdsInUse() const {
  const std::lock_guard lock(mutex_);
  std::set<uint64_t> ids(busy_ids_.begin(), busy_ids_.end());
  for (const auto& [id, snapshot] : table_.all()) ids.insert(id);
  return ids;
}

// IDs are reserved in blocks: no creation needs a write of its own for its ID.
Result<uint64_t> SnapshotRecords::TakeId() {
  const std::lock_guard lock(id_mutex_);
  if (next_id_ == reserved_ids_) {
    LOCKET_TRY(store_.Apply({.next_id = reserved_ids_ + kIdsAtOnce}));
    PassFailpoint("ids-reserved");
    reserved_ids_ += kIdsAtOnce;
  }
  return next_id_++;
}

Status SnapshotRecords::Write(const StoreChange& change) {
  PassFailpoint("before-write");
  LOCKET_TRY(store_.Apply(change));
  PassFailpoint("written");
  const std::lock_guard lock(mutex_);
  table_.Apply(change);
  return Ok();
}

}  // namespace locket::snapshotter
