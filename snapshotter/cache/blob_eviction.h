// Which blobs stay, and which go.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "snapshotter/cache/blob_claims.h"
#include "snapshotter/cache/blob_files.h"
#include "snapshotter/cache/manifest_cache.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

// Blobs that nothing needs are kept until all blobs together are larger than `high_bytes`. Then
// those go that were not used for longest, until `low_bytes` are left or only needed ones.
struct CacheLimits {
  uint64_t high_bytes = 0;  // 0: no blob is kept that nothing needs
  uint64_t low_bytes = 0;
};

struct TrimResult {
  uint64_t num_removed = 0;
  uint64_t bytes_removed = 0;
  uint64_t bytes_left = 0;
};

// Removes blobs that nothing needs. A blob is needed while
//
//   a snapshot refers to it          (IsBlobUsed)
//   somebody is about to refer to it (a pin in BlobClaims), or downloads it
//   a running VM has it open         (BlobFiles::IsHeldByVm)
//   an operator pinned it            (BlobFiles::IsPinned)
//
// Whether something refers to it is asked a second time once its removal has begun, from when on a
// pin waits; so a reference that appears meanwhile is seen. Thread-safe.
class BlobEviction {
 public:
  // All of them outlive the object.
  BlobEviction(const RootDirectory& root, const BlobFiles& files, BlobClaims& claims,
               ManifestCache& manifests)
      : root_(root), files_(files), claims_(claims), manifests_(manifests) {}

  // Who says whether something refers to a blob; until then everything is used. Before other
  // threads use this object.
  void SetUsedBy(IsBlobUsed is_used) { is_used_ = std::move(is_used); }

  // Answers what SetUsedBy was given.
  bool IsUsed(const std::string& digest) const { return is_used_(digest); }

  // Removes what the limits do not allow, least recently used first. If a blob cannot be removed,
  // the others go all the same, and the first failure is returned.
  Result<TrimResult> TrimTo(const CacheLimits& limits);

  // Removes blobs that nothing needs, least recently used first and no more than it takes, so that
  // `wanted_bytes` more fit on the disk. Returns false if nothing was removed: they would not fit
  // either way.
  Result<bool> MakeRoom(uint64_t wanted_bytes);

  // Removes one blob, however much room there is, unless something needs it.
  Status Discard(const std::string& digest);

  // How many blobs TrimTo removed since the process started, and how large they were.
  uint64_t num_evicted() const { return num_evicted_; }
  uint64_t evicted_bytes() const { return evicted_bytes_; }

 private:
  Result<bool> RemoveUnused(const std::string& digest);

  const RootDirectory& root_;
  const BlobFiles& files_;
  BlobClaims& claims_;
  ManifestCache& manifests_;
  IsBlobUsed is_used_ = [](const std::string&) { return true; };
  std::atomic<uint64_t> num_evicted_ = 0;
  std::atomic<uint64_t> evicted_bytes_ = 0;
};

}  // namespace locket::snapshotter
