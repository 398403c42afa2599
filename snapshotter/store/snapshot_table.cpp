#include "snapshotter/store/snapshot_table.h"

#include <optional>

namespace locket::snapshotter {
namespace {

void Count(std::unordered_map<std::string, size_t>& counts, const std::string& key, int by) {
  const auto found = counts.try_emplace(key, 0).first;
  found->second += static_cast<size_t>(by);
  if (found->second == 0) counts.erase(found);
}

// Of a layer that can be found by its chain ID; others: nothing.
std::optional<std::string> RefOf(const Snapshot& snapshot) {
  if (snapshot.kind != Kind::kCommitted) return std::nullopt;
  const auto label = snapshot.labels.find(std::string(kSnapshotRefLabel));
  if (label == snapshot.labels.end()) return std::nullopt;
  return label->second;
}

}  // namespace

Result<SnapshotTable> SnapshotTable::From(StoreContents contents) {
  SnapshotTable table;
  for (const Snapshot& snapshot : contents.snapshots) {
    if (table.Find(snapshot.name)) {
      return Error(ErrorCode::kDataLoss, "two snapshots are called '" + snapshot.name + "'");
    }
    table.Insert(snapshot);
  }
  for (const auto& [id, snapshot] : table.by_id_) {
    if (!snapshot->parent.empty() && !table.Find(snapshot->parent)) {
      return Error(ErrorCode::kDataLoss, "snapshot " + std::to_string(id) + " has lost parent '" +
                                             snapshot->parent + "'");
    }
  }
  return table;
}

void SnapshotTable::CountReferences(const Snapshot& snapshot, int by) {
  if (snapshot.layer) Count(references_, snapshot.layer->digest, by);
  if (!snapshot.image) return;
  Count(references_, snapshot.image->manifest_digest, by);
  Count(references_, snapshot.image->config_digest, by);
}

void SnapshotTable::Insert(const Snapshot& snapshot) {
  Erase(snapshot.id);
  auto kept = std::make_shared<const Snapshot>(snapshot);
  by_name_[kept->name] = kept;
  if (!kept->parent.empty()) Count(num_children_, kept->parent, 1);
  if (const auto ref = RefOf(*kept)) layers_[{*ref, kept->parent}].insert(kept->id);
  CountReferences(*kept, 1);
  by_id_.emplace(kept->id, std::move(kept));
}

void SnapshotTable::Erase(uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const SnapshotPtr old = found->second;
  by_id_.erase(found);
  by_name_.erase(old->name);
  if (!old->parent.empty()) Count(num_children_, old->parent, -1);
  if (const auto ref = RefOf(*old)) {
    const auto layer = layers_.find({*ref, old->parent});
    layer->second.erase(id);
    if (layer->second.empty()) layers_.erase(layer);
  }
  CountReferences(*old, -1);
}

SnapshotPtr SnapshotTable::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

Result<SnapshotPtr> SnapshotTable::Get(const std::string& name) const {
  SnapshotPtr found = Find(name);
  if (!found) return Error(ErrorCode::kNotFound, "snapshot '" + name + "' does not exist");
  return found;
}

SnapshotPtr SnapshotTable::FindLayer(const std::string& ref, const std::string& parent) const {
  const auto found = layers_.find({ref, parent});
  if (found == layers_.end()) return nullptr;
  for (const uint64_t id : found->second) {
    if (by_id_.at(id)->layer) return by_id_.at(id);
  }
  return by_id_.at(*found->second.begin());
}

Result<Chain> SnapshotTable::ChainOf(const std::string& name) const {
  Chain chain;
  for (std::string next = name; !next.empty(); next = chain.back()->parent) {
    LOCKET_TRY_ASSIGN(SnapshotPtr snapshot, Get(next).While("parent"));
    if (snapshot->kind != Kind::kCommitted) {
      return Error(ErrorCode::kInvalidArgument, "parent '" + next + "' is not committed");
    }
    if (chain.size() >= by_id_.size()) {
      return Error(ErrorCode::kDataLoss, "the parents of '" + name + "' form a ring");
    }
    chain.push_back(std::move(snapshot));
  }
  return chain;
}

void SnapshotTable::Apply(const StoreChange& change) {
  for (const uint64_t id : change.erase) Erase(id);
  for (const Snapshot& snapshot : change.put) Insert(snapshot);
}

}  // namespace locket::snapshotter
