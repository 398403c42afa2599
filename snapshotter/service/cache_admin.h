// What an operator does with the cache while the server runs.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/snapshots/snapshots.h"

namespace locket::snapshotter {

struct HeldBlob {
  CachedBlob blob;
  uint64_t num_snapshots = 0;      // that refer to it
  std::set<std::string> images{};  // whose snapshots those are
};

struct VerifyOutcome {
  enum class State { kGood, kFetchedAgain, kRemoved, kBusy, kGone };
  State state;
  std::string problem{};  // kRemoved: why it could not be fetched again, if snapshots need it
};

// Thread-safe. All of them outlive it.
class CacheAdmin {
 public:
  CacheAdmin(Snapshots& snapshots, BlobCache& blobs, const Converter* converter = nullptr)
      : snapshots_(snapshots), blobs_(blobs), converter_(converter) {}

  // Least recently used first.
  Result<std::vector<HeldBlob>> List();

  // Removes blobs that nothing needs, least recently used first, until at most `keep_bytes` are
  // left or only needed ones; then all that Snapshots::Cleanup does.
  Result<TrimResult> Collect(uint64_t keep_bytes);

  // Reads a blob again. A damaged one goes, and comes again if snapshots need it.
  Result<VerifyOutcome> Verify(const std::string& digest, const BlobCache::OnProgress& progress);

  // True: the cache has the blob. kInvalidArgument: `digest` is none.
  Result<bool> SetPinned(const std::string& digest, bool pinned);

  RepairReport Repair() { return snapshots_.Repair(); }

  ConvertReport Conversions() const {
    return converter_ == nullptr ? ConvertReport() : converter_->report();
  }

 private:
  Snapshots& snapshots_;
  BlobCache& blobs_;
  const Converter* const converter_;  // nullptr: nothing is converted
};

}  // namespace locket::snapshotter
