// All snapshots of this host: in memory, where every lookup goes, and in the store, which has each
// change first.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "snapshotter/store/snapshot_table.h"
#include "snapshotter/store/store.h"

namespace locket::snapshotter {

// A snapshot together with the chain that it lies on, as both were at one moment.
struct Lineage {
  SnapshotPtr snapshot;
  Chain parents;  // nearest first; empty for a base
};

// Where a new snapshot is to go, as of one moment.
struct Place {
  Chain parents;  // nearest first; empty for a base
  // The committed layer that is there already with the wanted chain ID; nullptr: there is none.
  SnapshotPtr layer{};
};

// The records are what decides whether a snapshot exists (docs/decisions/0007). Thread-safe: a
// lookup never waits for a write. Two writes about one name are the caller's to order (NameLocks).
class SnapshotRecords {
 public:
  // Loads every record of `store`, which outlives the object. Errors are the store's; kDataLoss:
  // the records contradict each other.
  static Result<std::unique_ptr<SnapshotRecords>> Open(Store& store);

  // An ID that is in use although no record has it: its directory is being made, or is about to go.
  // IdsInUse names it while this object lives.
  class BusyId {
   public:
    BusyId(SnapshotRecords& records, uint64_t id);
    BusyId(const BusyId&) = delete;
    ~BusyId();

   private:
    SnapshotRecords& records_;
    const uint64_t id_;
  };

  // Returns the snapshot of that name. kNotFound: there is none.
  Result<SnapshotPtr> Get(const std::string& name) const;

  // Returns the snapshot of that name and its parents. kNotFound: there is none.
  Result<Lineage> GetLineage(const std::string& name) const;

  // Returns `name`, its parent and so on to the base; an empty chain for an empty name. kNotFound:
  // there is no such snapshot. kInvalidArgument: `name` is not committed.
  Result<Chain> ChainOf(const std::string& name) const;

  // Returns where a snapshot `key` on top of `parent` would go. With a chain ID in `ref` it also
  // looks for the layer that is there already. kAlreadyExists: there is a snapshot `key`. Other
  // errors as those of ChainOf.
  Result<Place> PlaceFor(const std::string& key, const std::string& parent,
                         const std::optional<std::string>& ref = std::nullopt) const;

  bool HasChildren(const std::string& name) const;

  // Whether a snapshot needs the blob `digest`: as its layer, or as its image's manifest or config.
  bool Refers(const std::string& digest) const;

  // Returns every snapshot, ascending by ID.
  Chain All() const;

  size_t size() const;

  // Returns the IDs of all records and all that are busy.
  std::set<uint64_t> IdsInUse() const;

  // Returns an ID that no snapshot ever had. Fails only when the store does: it hears of the IDs in
  // blocks of 1024, so most calls write nothing, and a restart leaves out those of its block that
  // were not used.
  Result<uint64_t> TakeId();

  // Writes the change to the store and then to memory. Once it returns success the change outlives
  // a power cut. On failure nothing of it is there.
  Status Write(const StoreChange& change);

 private:
  SnapshotRecords(Store& store, SnapshotTable table, uint64_t next_id)
      : store_(store), next_id_(next_id), reserved_ids_(next_id), table_(std::move(table)) {}

  Store& store_;

  std::mutex id_mutex_;  // guards these two
  uint64_t next_id_;
  uint64_t reserved_ids_;  // the store knows that those below may be in use

  mutable std::mutex mutex_;  // guards what follows; never held over a write
  SnapshotTable table_;
  std::multiset<uint64_t> busy_ids_;
};

}  // namespace locket::snapshotter
