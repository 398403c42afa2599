// All snapshots in memory, with the indexes that lookups need. SnapshotRecords writes each change
// to the store first and then to this table.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/store.h"

namespace locket::snapshotter {

// A snapshot's parent, the parent's parent and so on to the base: nearest first.
using Chain = std::vector<SnapshotPtr>;

// Not thread-safe. Every lookup takes the same time however many snapshots there are.
class SnapshotTable {
 public:
  // Builds the table. kDataLoss: two snapshots have one name, or a parent is missing.
  static Result<SnapshotTable> From(StoreContents contents);

  // Return the snapshot of that name. Find returns nullptr, and Get kNotFound, if there is none.
  SnapshotPtr Find(const std::string& name) const;
  Result<SnapshotPtr> Get(const std::string& name) const;

  // Whether a snapshot has `name` as its parent.
  bool HasChildren(const std::string& name) const { return num_children_.contains(name); }

  // Returns `name`, its parent and so on to the base; an empty chain for an empty name. kNotFound:
  // there is no such snapshot. kInvalidArgument: `name` is not committed.
  Result<Chain> ChainOf(const std::string& name) const;

  // Returns the committed layer, sealed or not, that lies on `parent` and carries the label
  // containerd.io/snapshot.ref with the value `ref`; of several, a sealed one or else the oldest.
  // nullptr: there is none.
  SnapshotPtr FindLayer(const std::string& ref, const std::string& parent) const;

  // Whether a snapshot needs the blob: as its layer, or as its image's manifest or config.
  bool Refers(const std::string& digest) const { return references_.contains(digest); }

  // Returns every snapshot, by ID.
  const std::map<uint64_t, SnapshotPtr>& all() const { return by_id_; }

  // Makes the change that the store has made already.
  void Apply(const StoreChange& change);

 private:
  void Insert(const Snapshot& snapshot);
  void Erase(uint64_t id);
  void CountReferences(const Snapshot& snapshot, int by);

  std::map<uint64_t, SnapshotPtr> by_id_;
  std::unordered_map<std::string, SnapshotPtr> by_name_;
  std::unordered_map<std::string, size_t> num_children_;  // by the parent's name
  std::unordered_map<std::string, size_t> references_;    // by digest
  std::map<std::pair<std::string, std::string>, std::set<uint64_t>> layers_;  // by ref and parent
};

}  // namespace locket::snapshotter
