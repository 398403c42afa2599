// Where snapshots are remembered across restarts. The service keeps all of them in memory and
// writes through, so a store only has to apply changes atomically and durably, and give back
// everything once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

struct StoreContents {
  std::vector<Snapshot> snapshots;  // ascending by id
  uint64_t next_id = 1;             // greater than every id ever given out
};

// One transaction. Erasing an absent id is fine.
struct StoreChange {
  std::vector<Snapshot> put{};
  std::vector<uint64_t> erase{};
  std::optional<uint64_t> next_id{};
};

class Store {
 public:
  virtual ~Store() = default;

  // kDataLoss: a record does not decode; nothing is skipped.
  virtual Result<StoreContents> Load() = 0;

  // All of `change` or, on failure, nothing of it. Once it returns success the change outlives a
  // power cut. Thread-safe.
  virtual Status Apply(const StoreChange& change) = 0;
};

}  // namespace locket::snapshotter
