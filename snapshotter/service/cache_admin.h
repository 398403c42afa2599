// What an operator does with the cache while the server runs (`locket cache`).
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
  enum class State {
    kGood,
    kFetchedAgain,  // it was damaged, and is whole now
    kRemoved,  // it was damaged; nothing needs it, or `problem` says why it could not be fetched
    kBusy,     // it is damaged, and a pull is at it: ask again
    kGone,     // there is no such blob, perhaps any more
  };
  State state;
  std::string problem{};  // kRemoved: why it could not be fetched again, if snapshots need it
};

// Thread-safe.
class CacheAdmin {
 public:
  // All of them outlive the object. `converter` is nullptr where nothing is converted.
  CacheAdmin(Snapshots& snapshots, BlobCache& blobs, const Converter* converter = nullptr)
      : snapshots_(snapshots), blobs_(blobs), converter_(converter) {}

  // Returns all blobs with what refers to them, least recently used first.
  Result<std::vector<HeldBlob>> List();

  // Removes blobs that nothing needs, least recently used first, until at most `keep_bytes` are
  // left or only needed ones; then does all that Snapshots::Cleanup does. Returns what went first.
  Result<TrimResult> Collect(uint64_t keep_bytes);

  // Reads a blob again. A damaged one is removed, and fetched again if snapshots need it.
  // kInvalidArgument: `digest` is malformed. kCancelled: `progress` returned false.
  Result<VerifyOutcome> Verify(const std::string& digest, const BlobCache::OnProgress& progress);

  // Keeps a blob, there or not, until it is unpinned. Returns whether the cache has the blob.
  // kInvalidArgument: `digest` is malformed.
  Result<bool> SetPinned(const std::string& digest, bool pinned);

  // See Snapshots::Repair.
  RepairReport Repair() { return snapshots_.Repair(); }

  // Returns what became of conversions; `enabled` is false where nothing is converted.
  ConvertReport Conversions() const {
    return converter_ == nullptr ? ConvertReport() : converter_->report();
  }

 private:
  Snapshots& snapshots_;
  BlobCache& blobs_;
  const Converter* const converter_;  // nullptr: nothing is converted
};

}  // namespace locket::snapshotter
