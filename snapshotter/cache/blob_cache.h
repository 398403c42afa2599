// The blobs on disk: each is downloaded once however many ask, checked before it gets its name, and
// kept while something refers to it, a VM has it open or an operator pinned it; after that for the
// next pull, until the cache is larger than it may be.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/fetcher.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

// Blobs that nothing needs are kept until all blobs together are larger than `high_bytes`. Then
// those go that were not used for longest, until `low_bytes` are left or only needed ones.
struct CacheLimits {
  uint64_t high_bytes = 0;
  uint64_t low_bytes = 0;
};

struct CachedBlob {
  std::string digest;
  uint64_t size_bytes;
  std::chrono::system_clock::time_point last_used;  // by a pull, or until its last snapshot went
  bool pinned;                                      // by an operator
  bool held;                                        // by a running VM
  bool used;                                        // by a snapshot
};

struct TrimResult {
  uint64_t num_removed = 0;
  uint64_t bytes_removed = 0;
  uint64_t bytes_left = 0;
};

// Since the process started, but for the first.
struct CacheFigures {
  uint64_t downloads_running = 0;
  uint64_t hits = 0;    // somebody wanted a blob that was there
  uint64_t misses = 0;  // it was not; those who wait for a download under way do not count
  uint64_t failed_downloads = 0;
  uint64_t downloaded_bytes = 0;  // also of downloads that failed
  uint64_t evicted_blobs = 0;
  uint64_t evicted_bytes = 0;
};

// Of a blob that was read again.
enum class Verdict {
  kGood,
  kRemoved,  // its bytes were not the digest's
  kBusy,     // they are not, but a pull is at it: ask again
};

// Digests are text, "sha256:<64 hex digits>", checked where they come from outside. Thread-safe.
class BlobCache {
 public:
  // Keeps blobs from being removed while it lives, whether they are there yet or not. Waits for a
  // removal under way.
  class Pin {
   public:
    Pin(BlobCache& cache, std::vector<std::string> digests);
    Pin(const Pin&) = delete;
    ~Pin();

   private:
    BlobCache& cache_;
    std::vector<std::string> digests_;
  };

  using IsUsed = std::function<bool(const std::string& digest)>;

  // Root and fetcher outlive the cache. Partial downloads of an earlier process are resumed.
  BlobCache(const RootDirectory& root, Fetcher& fetcher, const CacheLimits& limits = {})
      : root_(root), fetcher_(fetcher), limits_(limits) {}

  // Who says whether something refers to a blob; until then, everything is. Before other threads
  // use the cache.
  void SetUsedBy(IsUsed is_used) { is_used_ = std::move(is_used); }

  // Returns once the blob is complete, checked and durable in blobs(). Callers that come while
  // another downloads it wait for that download; of a failure each image's own registry decides.
  // kDataLoss: the registry's bytes are not the
  // digest's; nothing of them is kept. kCancelled: Stop was called. On other failures (the
  // Fetcher's, or of the disk) what has come is kept for the next try.
  Status Ensure(const std::string& reference, const image::Descriptor& blob);

  // The manifest's bytes, checked: from memory, from disk, or fetched. Not kept on disk until Keep.
  Result<std::string> Manifest(const std::string& reference, const image::Digest& digest);

  // As Manifest, and it is on disk afterwards. Errors of the disk, too.
  Result<std::string> EnsureManifest(const std::string& reference, const image::Digest& digest);

  // Stores checked bytes as a blob.
  Status Keep(const std::string& digest, std::string_view content);

  // Makes the file at `path` (on the same file system) the blob, whose bytes its maker hashed. The
  // file is gone afterwards, unless that failed.
  Status Adopt(const std::string& digest, const std::filesystem::path& path);

  // Removes the blob at once, however much room there is, unless somebody needs it (see Trim).
  Status Discard(const std::string& digest);

  // The bytes of a small blob, checked; fetched if they are missing or damaged. Errors as Ensure's.
  Result<std::string> EnsureContent(const std::string& reference, const image::Descriptor& blob);

  // A blob's bytes, checked. kFailedPrecondition: it is missing or damaged.
  Result<std::string> Read(const std::string& digest, size_t max_bytes) const;

  bool Has(std::string_view digest, uint64_t size_bytes) const;

  // Removes what the limits no longer allow, least recently used first; never a blob that is used,
  // pinned (by Pin or an operator), being fetched, or held by a VM. Whoever is about to refer to a
  // blob pins it before Ensure or Keep and until the reference is there, so none appears unseen. A
  // blob that cannot be removed is the error, after the others went.
  Result<TrimResult> Trim() { return TrimTo(limits_); }
  Result<TrimResult> TrimTo(const CacheLimits& limits);

  // Removes unused blobs as Trim does, and no more than it takes, so that `wanted_bytes` more fit
  // on the disk. False, and nothing is removed: they would not fit either way.
  Result<bool> MakeRoom(uint64_t wanted_bytes);

  // The blob was used just now.
  void Touch(const std::string& digest) const;

  // Keeps a blob, there or not, until it is unpinned, also across restarts.
  Status SetPinned(const std::string& digest, bool pinned);

  // All blobs on disk, least recently used first.
  Result<std::vector<CachedBlob>> List() const;

  // Hears after each piece how many bytes were read; false ends it.
  using OnProgress = std::function<bool(uint64_t done_bytes)>;

  // Reads a blob again. One that is damaged goes, so that its next use fetches it; a VM that has it
  // open keeps its file. kNotFound: there is no such blob. kCancelled: `progress` said so.
  Result<Verdict> Verify(const std::string& digest, const OnProgress& progress = nullptr);

  CacheFigures figures() const;

  // Removes the temporary files that a crash in Keep left. At start-up only, before any Keep.
  Status RemoveLeftovers();

  // Removes partial downloads nobody is at that were not written to for `age`.
  Status RemoveStalePartials(std::chrono::seconds age);

  // Ends running downloads and refuses new ones.
  void Stop() { stop_.request_stop(); }

 private:
  struct Flight {
    std::string reference;
    std::optional<Status> outcome{};
  };
  using Flights = std::map<std::string, std::shared_ptr<Flight>>;  // shared: leader, and who waits
  struct Errand {
    const std::string& digest;
    const std::string& reference;
    std::function<bool(bool waited)> is_there;  // called with mutex_ held
    std::function<Status()> work;
  };

  Status RunOnce(Flights& flights, const Errand& errand);
  Result<bool> RemoveUnused(const std::string& digest);
  Result<Verdict> RemoveDamaged(const std::string& digest, int fd);
  Status ReserveOrTrim(int fd, const image::Descriptor& blob);
  Status Download(const std::string& reference, const image::Descriptor& blob);
  Status Fetch(const std::string& reference, const image::Descriptor& blob, int fd);
  Status Publish(const std::string& digest, const std::filesystem::path& path, int fd);

  const RootDirectory& root_;
  Fetcher& fetcher_;
  const CacheLimits limits_;
  IsUsed is_used_ = [](const std::string&) { return true; };
  std::stop_source stop_;
  std::atomic<uint64_t> hits_ = 0;
  std::atomic<uint64_t> misses_ = 0;
  std::atomic<uint64_t> failed_downloads_ = 0;
  std::atomic<uint64_t> downloaded_bytes_ = 0;
  std::atomic<uint64_t> evicted_blobs_ = 0;
  std::atomic<uint64_t> evicted_bytes_ = 0;

  std::mutex make_room_mutex_;  // two that make room at once would each count on the same blobs
  mutable std::mutex mutex_;    // guards what follows; std, for the condition variable
  std::condition_variable changed_;
  Flights flights_;           // of blobs, by digest
  Flights manifest_flights_;  // of manifests
  std::multiset<std::string> pins_;
  std::set<std::string> removing_;
  std::map<std::string, std::string> manifests_;  // a few, by digest
};

}  // namespace locket::snapshotter
