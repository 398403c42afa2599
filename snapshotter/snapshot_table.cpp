#include "snapshotter/snapshot_table.h"

namespace locket::snapshotter {

Result<SnapshotTable> SnapshotTable::Load(Store& store) {
  LOCKET_TRY_ASSIGN(const StoreContents contents, store.Load());
  SnapshotTable table(store);
  for (const Snapshot& snapshot : contents.snapshots) {
    if (table.Find(snapshot.name) != nullptr && snapshot.state != State::kRemoving) {
      return Error(ErrorCode::kDataLoss, "two snapshots are called '" + snapshot.name + "'");
    }
    table.Insert(snapshot);
  }
  for (const auto& [parent, child] : table.children_) {
    if (table.Find(parent) == nullptr) {
      return Error(ErrorCode::kDataLoss,
                   "snapshot " + std::to_string(child) + " has lost parent '" + parent + "'");
    }
  }
  table.next_id_ = contents.next_id;
  return table;
}

void SnapshotTable::Insert(const Snapshot& snapshot) {
  Erase(snapshot.id);
  if (snapshot.state != State::kRemoving) {
    by_name_[snapshot.name] = snapshot.id;
    if (!snapshot.parent.empty()) children_.emplace(snapshot.parent, snapshot.id);
  }
  by_id_.insert_or_assign(snapshot.id, snapshot);
}

void SnapshotTable::Erase(uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const Snapshot& old = found->second;
  if (const auto name = by_name_.find(old.name); name != by_name_.end() && name->second == id) {
    by_name_.erase(name);
  }
  const auto [begin, end] = children_.equal_range(old.parent);
  for (auto it = begin; it != end; ++it) {
    if (it->second != id) continue;
    children_.erase(it);
    break;
  }
  by_id_.erase(found);
}

const Snapshot* SnapshotTable::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &by_id_.at(found->second);
}

Result<const Snapshot*> SnapshotTable::FindReady(const std::string& name) const {
  const Snapshot* found = Find(name);
  if (found == nullptr || found->state != State::kReady) {
    return Error(ErrorCode::kNotFound, "snapshot '" + name + "' does not exist");
  }
  return found;
}

Result<std::vector<Snapshot>> SnapshotTable::Chain(const std::string& name) const {
  std::vector<Snapshot> chain;
  for (std::string next = name; !next.empty(); next = chain.back().parent) {
    LOCKET_TRY_ASSIGN(const Snapshot* snapshot, FindReady(next).While("parent"));
    if (snapshot->kind != Kind::kCommitted) {
      return Error(ErrorCode::kInvalidArgument, "parent '" + next + "' is not committed");
    }
    if (chain.size() >= by_id_.size()) {
      return Error(ErrorCode::kDataLoss, "the parents of '" + name + "' form a ring");
    }
    chain.push_back(*snapshot);
  }
  return chain;
}

Status SnapshotTable::Apply(const StoreChange& change) {
  LOCKET_TRY(store_->Apply(change));
  for (const uint64_t id : change.erase) Erase(id);
  for (const Snapshot& snapshot : change.put) Insert(snapshot);
  if (change.next_id) next_id_ = *change.next_id;
  return Ok();
}

void SnapshotTable::Hide(uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  Snapshot hidden = found->second;
  hidden.state = State::kRemoving;
  Insert(hidden);
}

}  // namespace locket::snapshotter
