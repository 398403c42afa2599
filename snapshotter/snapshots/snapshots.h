// containerd's snapshots service as plain calls: what each request means, without gRPC. Codes of
// errors are those containerd acts on.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/containerd/container_image.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/snapshots/sweeper.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/name_locks.h"
#include "snapshotter/store/snapshot.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

struct SnapshotsDeps {
  const RootDirectory& root;
  Store& store;
  BlobCache& blobs;
  const Clock& clock;
  Containerd& containerd;
  std::chrono::seconds keep_partials = std::chrono::hours(24);
  Converter* converter = nullptr;  // nullptr: ordinary images are unpacked by containerd
};

struct CreateRequest {
  std::string key;
  std::string parent{};
  Labels labels{};
  Converter::GaveUp gave_up{};  // ends waiting for a conversion, not the conversion
};

struct RepairReport {
  uint64_t num_healed = 0;
  std::vector<std::string> not_healed{};  // what is still wrong, and why
};

// Thread-safe. Requests that wait for a registry or a disk hold up only those about the same names,
// and those that write to the store at the same time share its sync. What was acknowledged outlives
// a power cut; of the directories themselves that is not promised (docs/decisions/0007): start-up
// makes those again that are missing.
class Snapshots {
 public:
  // From now on the blob cache asks this object what is used; both end together. Loads the store,
  // and removes or remakes the directories that do not fit it.
  static Result<std::unique_ptr<Snapshots>> Open(const SnapshotsDeps& deps);

  // Stops the converter, whose threads ask the blob cache, which asks this object.
  ~Snapshots();

  // A writable snapshot. With a `containerd.io/snapshot.ref` label it may be the layer of a sealed
  // image: then that layer is fetched and committed, and the answer is kAlreadyExists. So it is for
  // the layer of an ordinary image that is to be converted, once the whole image is. A layer that
  // is sealed or to be converted but cannot be had is an error, never an ordinary snapshot.
  // kFailedPrecondition: it is to show a sealed image on the host (so View).
  Result<std::vector<Mount>> Prepare(const CreateRequest& request);
  Result<std::vector<Mount>> View(const CreateRequest& request);

  // On sealed layers: finds out of which image the container is as soon as containerd has a record
  // of it, which is before its task is created, and tells the shim in rootfs.json; until then there
  // is no such file. What the cache has lost is fetched again first; errors are then the
  // registry's. kFailedPrecondition: it is committed, so it has none, or the container's image
  // cannot be told or does not fit. kUnavailable: containerd does not answer.
  Result<std::vector<Mount>> Mounts(const std::string& key, const Converter::GaveUp& gave_up = {});

  // One write to the store, whatever the size. kFailedPrecondition: `key` is not active, or lies on
  // sealed layers, whose upper layer exists in the guest alone.
  Status Commit(const std::string& name, const std::string& key, const Labels& labels);

  // kFailedPrecondition: it has children. Blobs that nothing else refers to go with it, or are kept
  // as the cache's limits say. Its directories go after the answer; Cleanup waits for that.
  Status Remove(const std::string& key);

  Result<Snapshot> Stat(const std::string& key);

  // Replaces all labels, or those named by `paths` ("labels", "labels.<key>"). An empty value
  // removes a label.
  Result<Snapshot> Update(const std::string& name, const Labels& labels,
                          std::span<const std::string> paths);

  // Every snapshot that any filter matches, ascending by id.
  Result<std::vector<Snapshot>> List(std::span<const std::string> filters);

  Result<Usage> UsageOf(const std::string& key);

  // Deletes what nothing refers to: directories of removed snapshots, blobs beyond the cache's
  // limits, old partial downloads.
  Status Cleanup();

  // Looks at all snapshots: fetches lost blobs again, and makes lost directories again as far as
  // their content is known. Blobs of the right size are taken for right: BlobCache::Verify reads.
  RepairReport Repair();

  size_t size() const;  // how many there are

 private:
  // What a Prepare with snapshot.ref found.
  struct RemoteTarget {
    std::string ref;
    Chain chain{};
    SnapshotPtr existing{};
    bool sealed_parent() const { return !chain.empty() && chain.front()->sealed(); }
  };

  // A container's image, whose documents stay while this lives.
  struct KeptImage {
    ImageSource source;
    image::Manifest manifest;
    std::vector<std::shared_ptr<const BlobCache::Pin>> pins;
  };

  // An id that is in use though no record has it: its directory is being made, or about to go.
  class BusyId {
   public:
    BusyId(Snapshots& snapshots, uint64_t id);
    BusyId(const BusyId&) = delete;
    ~BusyId();
    uint64_t id() const { return id_; }

   private:
    Snapshots& snapshots_;
    const uint64_t id_;
  };

  Snapshots(const SnapshotsDeps& deps, SnapshotTable table, uint64_t next_id)
      : deps_(deps),
        next_id_(next_id),
        reserved_ids_(next_id),
        table_(std::move(table)),
        sweeper_([this](uint64_t id) { Sweep(id); }) {}

  int64_t Now() const;
  Result<uint64_t> TakeId();
  // Store first, then memory. The caller holds the names.
  Status Write(const StoreChange& change);
  Result<SnapshotPtr> Get(const std::string& name);
  Result<std::vector<Mount>> Create(Kind kind, const CreateRequest& request);
  Result<Chain> ParentsFor(Kind kind, const CreateRequest& request);
  std::vector<Mount> MountsFor(const Snapshot& snapshot, const Chain& chain) const;
  Status TrimBlobs(const SnapshotPtr& removed);

  // directories.cpp
  Status RepairDirectories();
  Status RepairDirectory(const Snapshot& snapshot);
  bool IsWhole(const Snapshot& snapshot) const;  // all that MakeDirectories makes is there
  Status RemoveStrayDirectories();
  Status RemoveDirectories(uint64_t id);
  void Sweep(uint64_t id);  // what the sweeper does
  Status MakeDirectories(const Snapshot& snapshot, const Chain& chain);
  Status MakeOrdinaryDirectories(const Snapshot& snapshot, const Chain& chain);
  Status MakeSealedDirectories(const Snapshot& snapshot, const Chain& chain);

  // heal.cpp
  bool HasDocuments(const ImageSource& image) const;
  bool HasBlobs(const Snapshot& layer) const;  // its own, and its image's documents
  Result<bool> ConvertAgain(const Snapshot& layer, const Converter::GaveUp& gave_up);
  Status RestoreLayer(const Snapshot& layer, const Converter::GaveUp& gave_up = {});
  Status RestoreLayers(const Chain& chain, const Converter::GaveUp& gave_up = {});
  Status FetchBlobs(const Snapshot& layer);
  Status RestoreContainer(const Snapshot& snapshot, const Chain& chain,
                          const Converter::GaveUp& gave_up = {});
  bool NeedsRepair(const Snapshot& snapshot) const;
  Status RepairSnapshot(const SnapshotPtr& snapshot);

  // container_rootfs.cpp
  Status IdentifyContainer(const Snapshot& snapshot, const Chain& chain,
                           const Converter::GaveUp& gave_up);
  Result<KeptImage> KeepImage(const ContainerImage& found, const Chain& chain,
                              const Converter::GaveUp& gave_up);
  std::optional<KeptImage> PulledWith(const image::Digest& ordinary, const Snapshot& top) const;
  Result<KeptImage> KeepConverted(const OrdinaryImage& image, const ContainerImage& found,
                                  const Converter::GaveUp& gave_up);
  Status DescribeRootfs(const Snapshot& snapshot, const Chain& chain);
  bool IsDescribed(const Snapshot& snapshot) const;

  // sealed.cpp
  bool IsToConvert(const CreateRequest& request) const;
  // True: the layer is there as a committed snapshot.
  Result<bool> PrepareRemote(const CreateRequest& request, const std::string& ref);
  Status EnsureAgain(const Labels& labels, const Snapshot& layer, const image::Descriptor& blob);
  // Nothing: it is a sealed one, or the labels do not say which.
  Result<std::optional<OrdinaryImage>> FindOrdinaryImage(const Labels& labels);
  Result<RemoteTarget> FindTarget(const CreateRequest& request, const std::string& ref);
  Result<bool> FetchLayer(const CreateRequest& request, const RemoteTarget& target);
  Result<bool> ConvertLayer(const CreateRequest& request, const RemoteTarget& target,
                            const OrdinaryImage& image, const image::Digest& layer_digest);
  Status CommitLayer(const CreateRequest& request, const RemoteTarget& target,
                     const ImageSource& image, const SealedBlob& layer);

  const SnapshotsDeps deps_;
  NameLocks names_;  // taken before all others, and held over writes to store and disk

  std::mutex id_mutex_;  // guards these two
  uint64_t next_id_;
  uint64_t reserved_ids_;  // the store knows that those below may be in use

  mutable std::mutex mutex_;  // guards what follows; never held over a write
  SnapshotTable table_;
  std::multiset<uint64_t> busy_ids_;

  Sweeper sweeper_;  // last: it uses the rest
};

// `chain` (nearest first) holds the lowest layers of `manifest`.
bool IsBottomOf(const Chain& chain, const image::Manifest& manifest);

// A sealed layer as its registry knows it.
Result<image::Descriptor> DescriptorOf(const SealedBlob& layer);

}  // namespace locket::snapshotter
