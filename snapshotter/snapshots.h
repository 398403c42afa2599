// containerd's snapshots service as plain calls: what each request means, without gRPC. Codes of
// errors are those containerd acts on.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "snapshotter/blob_cache.h"
#include "snapshotter/layout.h"
#include "snapshotter/snapshot.h"
#include "snapshotter/snapshot_table.h"

namespace locket::snapshotter {

struct SnapshotsDeps {
  const RootDirectory& root;
  Store& store;
  BlobCache& blobs;
  const Clock& clock;
  std::chrono::seconds keep_partials = std::chrono::hours(24);
};

inline constexpr std::string_view kSnapshotRefLabel = "containerd.io/snapshot.ref";

struct CreateRequest {
  std::string key;
  std::string parent{};
  Labels labels{};
};

// Thread-safe. Requests that wait for a registry hold up no other.
class Snapshots {
 public:
  // Loads the store, and first finishes or undoes what a killed process left half-done.
  static Result<std::unique_ptr<Snapshots>> Open(const SnapshotsDeps& deps);

  // A writable snapshot. With a `containerd.io/snapshot.ref` label it may be the layer of a sealed
  // image: then that layer is fetched and committed, and the answer is kAlreadyExists. A layer
  // that is sealed but cannot be had is an error, never an ordinary snapshot.
  Result<std::vector<Mount>> Prepare(const CreateRequest& request);
  Result<std::vector<Mount>> View(const CreateRequest& request);

  // kFailedPrecondition: it is committed, so it has none.
  Result<std::vector<Mount>> Mounts(const std::string& key);

  // One write to the store, whatever the size. kFailedPrecondition: `key` is not active, or lies on
  // sealed layers, whose upper layer exists in the guest alone.
  Status Commit(const std::string& name, const std::string& key, const Labels& labels);

  // kFailedPrecondition: it has children. Blobs that nothing else refers to go with it.
  Status Remove(const std::string& key);

  Result<Snapshot> Stat(const std::string& key);

  // Replaces all labels, or those named by `paths` ("labels", "labels.<key>"). An empty value
  // removes a label.
  Result<Snapshot> Update(const std::string& name, const Labels& labels,
                          std::span<const std::string> paths);

  // Every snapshot that any filter matches, ascending by id.
  Result<std::vector<Snapshot>> List(std::span<const std::string> filters);

  Result<Usage> UsageOf(const std::string& key);

  // Deletes what nothing refers to: directories of removed snapshots, blobs, old partial downloads.
  Status Cleanup();

 private:
  // What a Prepare with snapshot.ref found out under the lock.
  struct RemoteTarget {
    std::string ref;
    std::vector<Snapshot> chain;  // the parents, nearest first
    std::optional<Snapshot> existing;
    bool sealed_parent() const { return !chain.empty() && chain.front().sealed(); }
  };

  Snapshots(const SnapshotsDeps& deps, SnapshotTable table)
      : deps_(deps), table_(std::move(table)) {}

  Status Repair();
  Result<std::vector<Mount>> Create(Kind kind, const CreateRequest& request);
  Result<Snapshot> Reserve(Kind kind, const CreateRequest& request, std::vector<Snapshot>& chain);
  Status MakeDirectories(const Snapshot& snapshot, const std::vector<Snapshot>& chain);
  Status MakeSealedDirectories(const Snapshot& snapshot, const std::vector<Snapshot>& chain);
  Status Abandon(uint64_t id);
  Status FinishRemoval(uint64_t id);
  std::vector<Mount> MountsFor(const Snapshot& snapshot, const std::vector<Snapshot>& chain) const;
  Status RemoveUnusedBlobs(const std::vector<std::string>& candidates);
  int64_t Now() const;

  // sealed.cpp. The text of rootfs.json for a container on `chain`, nearest first.
  Result<std::string> DescribeRootfs(const ImageSource& image,
                                     const std::vector<Snapshot>& chain) const;
  // True: the layer is there as a committed snapshot.
  Result<bool> PrepareRemote(const CreateRequest& request, const std::string& ref);
  // Under mutex_.
  Result<RemoteTarget> FindTarget(const CreateRequest& request, const std::string& ref);
  Result<bool> FetchLayer(const CreateRequest& request, const RemoteTarget& target);
  Status CommitLayer(const CreateRequest& request, const RemoteTarget& target,
                     const ImageSource& image, const SealedBlob& layer);

  const SnapshotsDeps deps_;
  std::mutex removal_mutex_;  // one thread deletes directories; taken before mutex_
  std::mutex mutex_;          // guards table_, and that no blob loses its last reference unseen
  SnapshotTable table_;
};

}  // namespace locket::snapshotter
