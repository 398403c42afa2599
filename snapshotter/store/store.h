// Where snapshots are remembered across restarts: the seam at the database.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

// What a store gives back at start-up.
struct StoreContents {
  std::vector<Snapshot> snapshots;  // ascending by id
  uint64_t next_id = 1;             // greater than every id ever given out
};

// One transaction. Erasing an ID that has no record succeeds.
struct StoreChange {
  std::vector<Snapshot> put{};        // new records, or other contents for those of the same IDs
  std::vector<uint64_t> erase{};      // by ID
  std::optional<uint64_t> next_id{};  // greater than every ID that may be given out from now on
};

// Keeps one record for each snapshot. SnapshotRecords has all of them in memory and writes through,
// so a store is read once, at start-up, and has no lookups. Only one process has a store open.
class Store {
 public:
  virtual ~Store() = default;

  // Returns everything. kDataLoss: a record does not decode. Nothing is skipped, since a snapshot
  // that is forgotten would lose its directory.
  virtual Result<StoreContents> Load() = 0;

  // Applies all of `change` or, on failure, nothing of it. Once it returns success the change
  // outlives a power cut. Thread-safe: changes that come at the same time may share one sync.
  virtual Status Apply(const StoreChange& change) = 0;
};

}  // namespace locket::snapshotter
