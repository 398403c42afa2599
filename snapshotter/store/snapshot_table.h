// All snapshots in memory, with what lookups need. The store has each change first, then this.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/store.h"

namespace locket::snapshotter {

// A parent's chain, nearest first.
using Chain = std::vector<SnapshotPtr>;

// Not thread-safe. Every lookup takes the same time however many snapshots there are.
class SnapshotTable {
 public:
  // kDataLoss: two snapshots have one name, or a parent is missing.
  static Result<SnapshotTable> From(StoreContents contents);

  SnapshotPtr Find(const std::string& name) const;         // nullptr: there is none
  Result<SnapshotPtr> Get(const std::string& name) const;  // kNotFound

  bool HasChildren(const std::string& name) const { return num_children_.contains(name); }

  // `name`, its parent, and so on to the base. Empty for an empty name. kNotFound: no such
  // snapshot. kInvalidArgument: `name` is not committed.
  Result<Chain> ChainOf(const std::string& name) const;

  // The committed layer, sealed or not, that carries this label `containerd.io/snapshot.ref` on
  // this parent. nullptr: there is none.
  SnapshotPtr FindLayer(const std::string& ref, const std::string& parent) const;

  // A snapshot needs this blob: as its layer, its image's manifest or config.
  bool Refers(const std::string& digest) const { return references_.contains(digest); }

  const std::map<uint64_t, SnapshotPtr>& all() const { return by_id_; }

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
