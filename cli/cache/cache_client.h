// locket-snapshotter's blob cache (proto/cache.proto), in our words. Blocking.
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
  int64_t last_used_ns;  // since 1970
  bool pinned;           // by an operator
  bool held;             // by a running VM
  uint64_t num_snapshots;
  std::vector<std::string> images{};  // whose snapshots those are
  bool operator==(const CachedBlob&) const = default;
};

struct Collected {
  uint64_t removed_blobs;
  uint64_t removed_bytes;
  uint64_t bytes_left;
};

enum class BlobState { kReading, kGood, kFetchedAgain, kRemoved, kBusy, kGone };

struct VerifyStep {
  std::string digest;
  uint64_t size_bytes;
  uint64_t done_bytes;
  BlobState state;
  std::string problem{};  // kRemoved: why it could not be fetched again
};

struct Repaired {
  uint64_t num_healed;
  std::vector<std::string> not_healed{};
};

struct FailedConversion {
  std::string image;
  std::string problem;
  int64_t failed_ns;  // since 1970
};

struct Conversions {
  bool enabled;
  std::string directory;                     // where layers are sealed
  uint64_t free_bytes;                       // there
  std::vector<FailedConversion> failures{};  // of images not converted since, the latest first
};

class CacheClient {
 public:
  // Connects at the first call.
  explicit CacheClient(const std::string& socket);
  CacheClient(const CacheClient&) = delete;
  CacheClient& operator=(const CacheClient&) = delete;
  ~CacheClient();

  // Error codes are the server's. kUnavailable: none listens there; kDeadlineExceeded: it does not
  // answer; kUnimplemented: it is older than this program.
  Result<std::vector<CachedBlob>> List();  // least recently used first
  Result<Collected> Collect(uint64_t keep_bytes);
  // No digests: all blobs. Takes as long as reading them does.
  Status Verify(const std::vector<std::string>& digests,
                const std::function<void(const VerifyStep&)>& on_step);
  Result<bool> SetPinned(const std::string& digest, bool pinned);  // true: the blob is there
  // Takes as long as the downloads it needs.
  Result<Repaired> Repair();
  Result<Conversions> GetConversions(std::chrono::milliseconds timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::cli
