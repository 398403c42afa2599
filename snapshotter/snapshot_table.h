// All snapshots in memory, in step with the store: a change is in the store first, then here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/store.h"

namespace locket::snapshotter {

// Not thread-safe. Pointers it hands out hold until the next Apply.
class SnapshotTable {
 public:
  // `store` outlives the table. kDataLoss: two snapshots have one name, or a parent is missing.
  static Result<SnapshotTable> Load(Store& store);

  // By name; those being removed have none any more.
  const Snapshot* Find(const std::string& name) const;
  // Find, without those still being created. kNotFound.
  Result<const Snapshot*> FindReady(const std::string& name) const;

  bool HasChildren(const std::string& name) const { return children_.contains(name); }

  // `name`, its parent, and so on to the base. Empty for an empty name. kNotFound: no such
  // snapshot. kInvalidArgument: `name` is not committed.
  Result<std::vector<Snapshot>> Chain(const std::string& name) const;

  const std::map<uint64_t, Snapshot>& all() const { return by_id_; }
  uint64_t next_id() const { return next_id_; }

  // On failure both store and table are as they were.
  Status Apply(const StoreChange& change);

  // Marks a snapshot kRemoving in memory only: for when the store refuses to say so. It is
  // invisible from now on, and start-up finds the older state and undoes it.
  void Hide(uint64_t id);

 private:
  explicit SnapshotTable(Store& store) : store_(&store) {}
  void Insert(const Snapshot& snapshot);
  void Erase(uint64_t id);

  Store* store_;  // a pointer, so that the table moves
  std::map<uint64_t, Snapshot> by_id_;
  std::map<std::string, uint64_t> by_name_;
  std::multimap<std::string, uint64_t> children_;  // by the parent's name
  uint64_t next_id_ = 1;
};

}  // namespace locket::snapshotter
