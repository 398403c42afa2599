// Downloads of blobs: into ingest/, checked, and from there to their name.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_claims.h"
#include "snapshotter/cache/blob_files.h"
#include "snapshotter/cache/fetcher.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

struct BlobDownloadsDeps {
  const RootDirectory& root;
  Fetcher& fetcher;
  const BlobFiles& files;
  std::stop_token stop;  // ends running downloads and refuses new ones
  // Removes blobs that nothing needs, so that so many bytes more fit on the disk. False: they would
  // not fit either way, and nothing was removed.
  std::function<Result<bool>(uint64_t wanted_bytes)> make_room;
};

// A download goes through these states, and a kill leaves it in one of them:
//
//   partial    ingest/<hex> has the first bytes, or none. The next download goes on from there.
//   complete   ingest/<hex> has all bytes, checked, but not yet on disk for sure
//   published  blobs/sha256/<hex>, synced
//
// Thread-safe, for different digests; two downloads of one digest are the caller's to prevent.
class BlobDownloads {
 public:
  explicit BlobDownloads(const BlobDownloadsDeps& deps) : deps_(deps) {}

  // Downloads a blob and publishes it. Before the first byte is asked for it reserves the blob's
  // size on the disk, making room if it must. kResourceExhausted: it does not fit; no byte was
  // asked for. kDataLoss: the registry's bytes are not the digest's, and nothing of them is kept.
  // kCancelled: stopped. Other errors are the Fetcher's or the disk's. What came until then is
  // kept, unless it was wrong.
  Status Download(const std::string& reference, const image::Descriptor& blob);

  // Removes partial downloads that were not written to for `age` and on whose blob nobody has a
  // claim.
  Status RemoveStale(std::chrono::seconds age, BlobClaims& claims) const;

  // Returns how many bytes came since the process started, also in downloads that failed later.
  uint64_t num_bytes() const { return num_bytes_; }

 private:
  Status Reserve(int fd, const image::Descriptor& blob);
  Status Fetch(const std::string& reference, const image::Descriptor& blob, int fd);

  const BlobDownloadsDeps deps_;
  std::mutex make_room_mutex_;  // two that make room at once would each count on the same blobs
  std::atomic<uint64_t> num_bytes_ = 0;
};

}  // namespace locket::snapshotter
