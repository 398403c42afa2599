// The blobs of this host. Each is downloaded once, however many callers ask for it, and is checked
// before it gets its name. It is kept while something needs it, and after that for the next pull,
// as long as the limits of the cache allow.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_claims.h"
#include "snapshotter/cache/blob_downloads.h"
#include "snapshotter/cache/blob_eviction.h"
#include "snapshotter/cache/blob_files.h"
#include "snapshotter/cache/fetcher.h"
#include "snapshotter/cache/manifest_cache.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

// All but the first count since the process started.
struct CacheFigures {
  uint64_t downloads_running = 0;  // at this moment
  uint64_t hits = 0;               // calls of Ensure that found the blob at once
  uint64_t misses = 0;             // those that downloaded it; waiting for a download is neither
  uint64_t failed_downloads = 0;
  uint64_t downloaded_bytes = 0;  // also of downloads that failed, unless the bytes were wrong
  uint64_t evicted_blobs = 0;     // by Trim, TrimTo and MakeRoom
  uint64_t evicted_bytes = 0;
};

// The outcome of reading a blob again.
enum class Verdict {
  kGood,
  kRemoved,  // its bytes were not the digest's, or could not be read
  kBusy,     // as kRemoved, but a pull is at it, so it is still there: ask again
};

// A blob is a layer, a manifest or a config, under the digest of its bytes.
//
// Life of a blob
//   Ensure downloads it, or Keep and Adopt store bytes that the caller checked. From then on Has is
//   true. Trim removes it once nothing needs it and the limits do not allow it any more. Nothing
//   needs it when no snapshot refers to it, nobody has a Pin or downloads it, no VM has it open,
//   and no operator pinned it.
//
// Who is about to refer to a blob pins it first:
//   BlobCache::Pin pin(cache, {digest});
//   cache.Ensure(reference, blob);       it is there, and stays while `pin` lives
//   <write the record that refers to it>
//   pin ends                             it stays while the record is there
//
// Scenario: the disk is full, and a pull wants a blob of 1 GiB
//   Ensure reserves 1 GiB, which fails. It removes blobs that nothing needs, least recently used
//   first, until the blob fits, and downloads it. If it would not fit even without all of them, it
//   removes none and answers kResourceExhausted: a manifest may claim any size.
//
// Scenario: a blob was damaged on disk
//   Read and EnsureContent check the digest each time; EnsureContent fetches it again. Layers are
//   not read on the host at all: Verify does that when an operator asks, and the guest checks each
//   block that it reads.
//
// Digests are text, "sha256:<64 hex digits>", checked where they come from outside. Thread-safe; no
// lock is held while a registry is waited for.
class BlobCache {
 public:
  // Keeps blobs from being removed while it lives, whether they are there yet or not. Its
  // constructor waits until a removal of one of them is over. The cache outlives its pins.
  class Pin {
   public:
    Pin(BlobCache& cache, std::vector<std::string> digests);
    Pin(const Pin&) = delete;
    ~Pin();

   private:
    BlobClaims& claims_;
    const std::vector<std::string> digests_;
  };

  using IsUsed = IsBlobUsed;

  // Root and fetcher outlive the cache. Partial downloads of an earlier process are resumed when
  // their blob is wanted again.
  BlobCache(const RootDirectory& root, Fetcher& fetcher, const CacheLimits& limits = {});
  BlobCache(const BlobCache&) = delete;

  // Who says whether a snapshot refers to a blob; until then every blob is used. Before other
  // threads use the cache.
  void SetUsedBy(IsUsed is_used) { eviction_.SetUsedBy(std::move(is_used)); }

  // Gets a blob. It is complete, checked and durable in blobs() when this returns Ok. A caller that
  // comes while another one downloads the blob waits for that download. If the download fails, a
  // caller for the same image gets its error, and one for another image downloads the blob itself.
  // kDataLoss: the registry's bytes are not the digest's; nothing of them is kept.
  // kResourceExhausted: the blob does not fit on the disk. kCancelled: Stop was called.
  // On other failures (the Fetcher's, or the disk's) what has come is kept for the next try.
  Status Ensure(const std::string& reference, const image::Descriptor& blob);

  // Returns the manifest's bytes, checked: from memory, from disk, or fetched. It is not kept on
  // disk until Keep. Errors are the Fetcher's.
  Result<std::string> Manifest(const std::string& reference, const image::Digest& digest);

  // As Manifest, and the manifest is on disk afterwards. Errors may be the disk's, too.
  Result<std::string> EnsureManifest(const std::string& reference, const image::Digest& digest);

  // Stores checked bytes as a blob, durably.
  Status Keep(const std::string& digest, std::string_view content) {
    return files_.Keep(digest, content);
  }

  // Makes the file at `path` (on the same file system) the blob, durably. Its maker has hashed its
  // bytes. On success the file is gone from `path`; after a failure it is at either place.
  Status Adopt(const std::string& digest, const std::filesystem::path& path) {
    return files_.Adopt(digest, path);
  }

  // Removes the blob at once, however much room there is. Succeeds and leaves the blob if something
  // needs it; succeeds also if there is none.
  Status Discard(const std::string& digest) { return eviction_.Discard(digest); }

  // Returns the bytes of a small blob, checked; fetches it if it is missing or damaged. Errors as
  // those of Ensure.
  Result<std::string> EnsureContent(const std::string& reference, const image::Descriptor& blob);

  // Returns a blob's bytes, checked, and asks no registry. kFailedPrecondition: the blob is
  // missing, damaged, unreadable or larger than `max_bytes`; there are no other errors.
  Result<std::string> Read(const std::string& digest, size_t max_bytes) const {
    return files_.Read(digest, max_bytes);
  }

  // Returns true if there is a blob of that size. Its bytes are not looked at.
  bool Has(std::string_view digest, uint64_t size_bytes) const {
    return files_.Has(digest, size_bytes);
  }

  // Removes blobs that nothing needs, least recently used first: Trim what the cache's own limits
  // do not allow, TrimTo what `limits` do not. If one cannot be removed, the others go all the
  // same, and that failure is returned.
  Result<TrimResult> Trim() { return TrimTo(limits_); }
  Result<TrimResult> TrimTo(const CacheLimits& limits) { return eviction_.TrimTo(limits); }

  // Removes blobs that nothing needs, and no more than it takes, so that `wanted_bytes` more fit on
  // the disk. Returns false if nothing was removed: they would not fit either way. True is no
  // promise that they fit, because others write to the disk, too.
  Result<bool> MakeRoom(uint64_t wanted_bytes) { return eviction_.MakeRoom(wanted_bytes); }

  // Says that the blob was used just now, so that it is not the next to be removed.
  void Touch(const std::string& digest) const { files_.Touch(digest); }

  // Keeps a blob, there or not, until it is unpinned, also across restarts. An operator's wish; a
  // Pin is the cache's own.
  Status SetPinned(const std::string& digest, bool pinned) {
    return files_.SetPinned(digest, pinned);
  }

  // Returns all blobs on disk, least recently used first.
  Result<std::vector<CachedBlob>> List() const;

  // Hears after each piece how many bytes were read; false ends it.
  using OnProgress = std::function<bool(uint64_t done_bytes)>;

  // Reads the whole blob again. A damaged one is removed, so that its next use fetches it; a VM
  // that has it open keeps its file. kNotFound: there is no such blob. kCancelled: `progress` said
  // so.
  Result<Verdict> Verify(const std::string& digest, const OnProgress& progress = nullptr);

  // Returns what happened since the process started.
  CacheFigures figures() const;

  // Removes the temporary files that a crash in Keep left. At start-up only, before any Keep.
  Status RemoveLeftovers() { return files_.RemoveLeftovers(); }

  // Removes partial downloads nobody is at that were not written to for `age`.
  Status RemoveStalePartials(std::chrono::seconds age) {
    return downloads_.RemoveStale(age, claims_);
  }

  // Ends running downloads with kCancelled and refuses new ones, for good. Does not wait for them.
  void Stop() { stop_.request_stop(); }

 private:
  Result<Verdict> RemoveDamaged(const std::string& digest, int fd);

  const RootDirectory& root_;
  const CacheLimits limits_;
  std::stop_source stop_;
  std::atomic<uint64_t> hits_ = 0;
  std::atomic<uint64_t> misses_ = 0;
  std::atomic<uint64_t> failed_downloads_ = 0;

  const BlobFiles files_;
  BlobClaims claims_;
  ManifestCache manifests_;
  BlobEviction eviction_;
  BlobDownloads downloads_;
};

}  // namespace locket::snapshotter
