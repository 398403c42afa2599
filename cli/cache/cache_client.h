// The blob cache of locket-snapshotter (proto/cache.proto), without gRPC's types.
//
// A blob is a sealed layer, in a file under its digest. Snapshots of containerd need it, running
// VMs hold it, and an operator can pin it; without any of these it can be removed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::cli {

inline constexpr std::string_view kDefaultSnapshotterSocket = "/run/locket/snapshotter.sock";

struct CachedBlob {
  std::string digest;
  uint64_t size_bytes;
  int64_t last_used_ns;               // since 1970
  bool pinned;                        // an operator keeps it
  bool held;                          // a running VM uses it
  uint64_t num_snapshots;             // that need it
  std::vector<std::string> images{};  // names of the images of these snapshots
  bool operator==(const CachedBlob&) const = default;
};

// What a collection removed, and the size of the cache afterwards.
struct Collected {
  uint64_t removed_blobs;
  uint64_t removed_bytes;
  uint64_t bytes_left;
};

enum class BlobState {
  kReading,       // not finished
  kGood,          // the content has its digest
  kFetchedAgain,  // was damaged; downloaded again
  kRemoved,       // was damaged; removed, and downloaded at its next use
  kBusy,          // is damaged, and a pull is downloading it now
  kGone,          // removed meanwhile, as nothing needed it
};

struct VerifyStep {
  std::string digest;
  uint64_t size_bytes;
  uint64_t done_bytes;
  BlobState state;
  std::string problem{};  // kRemoved: why it could not be downloaded again; empty: nothing needs it
};

struct Repaired {
  uint64_t num_healed;                    // snapshots
  std::vector<std::string> not_healed{};  // one line for each snapshot that could not be healed
};

struct FailedConversion {
  std::string image;
  std::string problem;
  int64_t failed_ns;  // since 1970
};

struct Conversions {
  bool enabled;
  std::string directory;                     // in which layers are sealed
  uint64_t free_bytes;                       // on the file system of `directory`
  std::vector<FailedConversion> failures{};  // latest first; without images converted since
};

// Every call blocks. Errors have the server's code and text. kUnavailable: there is no server at
// the socket. kDeadlineExceeded: it does not answer. kUnimplemented: it is older than this program.
// Used by one thread.
class CacheClient {
 public:
  // `socket` is a path. Connects at the first call.
  explicit CacheClient(const std::string& socket);
  CacheClient(const CacheClient&) = delete;
  CacheClient& operator=(const CacheClient&) = delete;
  ~CacheClient();

  // Returns all blobs, least recently used first.
  Result<std::vector<CachedBlob>> List();
  // Removes blobs that nothing needs, least recently used first, until the cache has at most
  // `keep_bytes`, and what abandoned downloads left.
  Result<Collected> Collect(uint64_t keep_bytes);
  // Reads the blobs with these digests, or all if there are none, and repairs damaged ones. Calls
  // `on_step` while it reads, and once with the final state of each blob. Takes as long as reading
  // and downloading do.
  Status Verify(const std::vector<std::string>& digests,
                const std::function<void(const VerifyStep&)>& on_step);
  // Pins or unpins a blob; the cache does not have to have it. Returns whether it has.
  Result<bool> SetPinned(const std::string& digest, bool pinned);
  // Lets the server download blobs and make directories that snapshots have lost. Takes as long as
  // the downloads do.
  Result<Repaired> Repair();
  // Returns how the conversion of ordinary images is configured and what failed.
  Result<Conversions> GetConversions(std::chrono::milliseconds timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::cli
