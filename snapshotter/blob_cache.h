// The blobs on disk: each is downloaded once however many ask, checked before it gets its name, and
// kept until nothing refers to it.
#pragma once

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
#include "image/manifest.h"
#include "snapshotter/fetcher.h"
#include "snapshotter/layout.h"

namespace locket::snapshotter {

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

  // Both arguments outlive the cache. Partial downloads of an earlier process are resumed.
  BlobCache(const RootDirectory& root, Fetcher& fetcher) : root_(root), fetcher_(fetcher) {}

  // Returns once the blob is complete, checked and durable in blobs(). Callers that come while
  // another downloads it wait for that download. kDataLoss: the registry's bytes are not the
  // digest's; nothing of them is kept. kCancelled: Stop was called. On other failures (the
  // Fetcher's, or of the disk) what has come is kept for the next try.
  Status Ensure(const std::string& reference, const image::Descriptor& blob);

  // The manifest's bytes, checked: from memory, from disk, or fetched. Not kept on disk until Keep.
  Result<std::string> Manifest(const std::string& reference, const image::Digest& digest);

  // Stores checked bytes as a blob.
  Status Keep(const std::string& digest, std::string_view content);

  // A blob's bytes, checked. kFailedPrecondition: it is missing or damaged.
  Result<std::string> Read(const std::string& digest, size_t max_bytes) const;

  bool Has(std::string_view digest, uint64_t size_bytes) const;

  // Removes the blob unless it is pinned, being fetched, or `is_used` says that something refers to
  // it. Whoever is about to refer to a blob pins it before Ensure or Keep and until the reference
  // is there, so none appears unseen.
  Status Remove(const std::string& digest,
                const std::function<bool(const std::string& digest)>& is_used);

  // Digests of all blobs on disk.
  Result<std::vector<std::string>> All() const;

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

  Status Download(const std::string& reference, const image::Descriptor& blob);

  const RootDirectory& root_;
  Fetcher& fetcher_;
  std::stop_source stop_;

  std::mutex mutex_;  // guards what follows; std, for the condition variable
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;  // shared: leader and those who wait
  std::multiset<std::string> pins_;
  std::set<std::string> removing_;
  std::map<std::string, std::string> manifests_;  // a few, by digest
};

}  // namespace locket::snapshotter
