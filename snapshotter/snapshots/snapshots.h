// containerd's snapshots service as plain calls: what each request means, without gRPC. The codes
// of errors are those that containerd acts on.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/containerd/containerd.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/snapshots/container_images.h"
#include "snapshotter/snapshots/sealed_containers.h"
#include "snapshotter/snapshots/sealed_pulls.h"
#include "snapshotter/snapshots/snapshot_directories.h"
#include "snapshotter/snapshots/sweeper.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/name_locks.h"
#include "snapshotter/store/snapshot_records.h"

namespace locket::snapshotter {

// All that is referred to outlives the Snapshots.
struct SnapshotsDeps {
  const RootDirectory& root;
  Store& store;
  BlobCache& blobs;
  const Clock& clock;
  Containerd& containerd;
  std::chrono::seconds keep_partials = std::chrono::hours(24);  // age of unfinished downloads
  Converter* converter = nullptr;  // nullptr: ordinary images are unpacked by containerd
};

struct CreateRequest {
  std::string key;
  std::string parent{};  // the name of a committed snapshot; empty: nothing below
  Labels labels{};
  Converter::GaveUp gave_up{};  // ends waiting for a conversion, not the conversion
};

struct RepairReport {
  uint64_t num_healed = 0;
  std::vector<std::string> not_healed{};  // one message for each snapshot that is still broken
};

// The snapshots of one host, as containerd asks for them.
//
// Terms
//   key     The name of an active snapshot or a view. containerd chooses it, for example
//           "k8s.io/12/<container ID>": namespace, a number, and the key within the namespace.
//   name    What a snapshot is called after Commit. Keys and names are one name space: a snapshot
//           has one of them at a time, and no two snapshots share one. In these calls `key` means
//           any snapshot and `name` a committed one, as in containerd's API.
//   parent  The name of the committed snapshot that another one lies on.
//   chain   A snapshot's parent, the parent's parent and so on to the base: the layers of an image.
//           The chain ID of a layer (OCI image-spec) names the stack of layers up to that one.
//   ref     The value of the label containerd.io/snapshot.ref: the chain ID under which containerd
//           looks for a layer that a snapshotter has prepared without its help.
//   sealed  A sealed layer is a blob in the cache that only a guest opens. A snapshot on sealed
//           layers has a stub directory; its real root file system exists in the guest alone.
//
// Life of a snapshot
//   Prepare makes an active snapshot, which is writable. Commit makes it a committed one under
//   another name, which others can lie on. View makes a snapshot that cannot be written or
//   committed. Remove ends any of them, once no other lies on it. There is no way back from
//   committed to active. A sealed layer is committed from the start: Prepare with a ref writes its
//   record itself and answers kAlreadyExists, so containerd downloads and unpacks nothing.
//
// Scenario 1: an ordinary image of two layers
//   Prepare({key: "x-1"})                                  mounts; containerd unpacks layer 1
//   Commit("chain-1", "x-1")
//   Prepare({key: "x-2", parent: "chain-1"})               mounts; containerd unpacks layer 2
//   Commit("chain-2", "x-2")
//   Prepare({key: "container", parent: "chain-2"})         overlay mounts of a container
//   Remove("container"), Remove("chain-2"), Remove("chain-1")
//
// Scenario 2: a sealed image of two layers, or an ordinary one that is to be converted
//   Prepare({key: "x-1", labels: {ref: "chain-1", cri.*}})         downloads the blob of layer 1;
//                                                                  kAlreadyExists
//   List({"labels.\"containerd.io/snapshot.ref\"==chain-1"})       its name: "sealed/<id>/chain-1"
//   Prepare({key: "x-2", parent: that name, labels: {ref: "chain-2", cri.*}})   kAlreadyExists
//   Prepare({key: "container", parent: the name of layer 2})       a bind mount of the stub
//   Mounts("container")      after containerd has a record of the container: finds its image,
//                            writes rootfs.json, returns the same bind mount for the shim
//
// Scenario 3: the disk loses things
//   The blob of a layer is gone: Prepare of a pull with that layer, Prepare of a container on it,
//   and Mounts of such a container fetch it again, or answer with the registry's error.
//   A directory is gone: Open makes those of active snapshots and views again. Committed content
//   cannot be made again: a Prepare on it answers kDataLoss.
//   The process is killed: a snapshot is there if its record was written, and only then; Open
//   removes directories without a record (docs/decisions/0007).
//
// Errors that every call may have: kNotFound for a key that no snapshot has, kInvalidArgument for a
// name or label that is empty or too long, and the errors of the store and the disk. On failure
// nothing of the request is visible; what a registry sent is kept for the next try.
//
// Thread-safe. Requests that wait for a registry or a disk hold up only requests about the same
// names, and requests that write to the store at the same time share its sync. What was
// acknowledged outlives a power cut. That is not promised of directories (docs/decisions/0007):
// Open makes those that are missing.
class Snapshots {
 public:
  // Loads the store, and removes or remakes the directories that do not fit it. From now on the
  // blob cache asks this object which blobs are used, so nobody may use the cache after this object
  // has ended, or after Open has failed. kDataLoss: the store's records are damaged.
  static Result<std::unique_ptr<Snapshots>> Open(const SnapshotsDeps& deps);

  // Stops the converter first: its threads use the blob cache, and the cache asks this object.
  ~Snapshots();

  // Makes an active snapshot and returns its mounts. With a ref it may be a layer of a sealed
  // image, or of an ordinary one that is to be converted: then it gets the layer's blob and commits
  // the layer. kAlreadyExists: that was done now or earlier, or there is a snapshot `key`; which of
  // them, containerd finds out by a List for the ref.
  // A layer that is sealed or to be converted but cannot be had is an error (the registry's code),
  // never an ordinary snapshot. kFailedPrecondition: containerd would unpack onto a sealed layer,
  // or mount a sealed image on the host; the message says what to change. kCancelled: the caller
  // gave up waiting for a conversion. kDataLoss: its parent's content is gone.
  Result<std::vector<Mount>> Prepare(const CreateRequest& request);

  // Makes a view and returns its mounts. Errors as Prepare's without a ref.
  Result<std::vector<Mount>> View(const CreateRequest& request);

  // Returns the mounts of an active snapshot or a view. For a container on sealed layers it first
  // fetches what the cache has lost. Then, if containerd has a record of the container, it finds
  // out of which image the container is, and writes rootfs.json for the shim. containerd writes
  // that record before it creates the task. kFailedPrecondition: the snapshot is committed, so it
  // has no mounts, or the container's image cannot be told or does not fit. kUnavailable:
  // containerd does not answer. Errors of fetching are the registry's.
  Result<std::vector<Mount>> Mounts(const std::string& key, const Converter::GaveUp& gave_up = {});

  // Makes the active snapshot `key` a committed one called `name`, with these labels instead of its
  // own. One write to the store, whatever its content's size. kAlreadyExists: there is a snapshot
  // `name`. kFailedPrecondition: `key` is not active, or lies on sealed layers: what was written
  // exists in the guest alone.
  Status Commit(const std::string& name, const std::string& key, const Labels& labels);

  // Removes a snapshot. Blobs that nothing else refers to go with it, or are kept as the cache's
  // limits say. Its directories go after the answer; Cleanup waits for that. kFailedPrecondition:
  // others lie on it.
  Status Remove(const std::string& key);

  // Returns a snapshot's record.
  Result<Snapshot> Stat(const std::string& key);

  // Replaces all labels of a snapshot, or those named by `paths` ("labels", "labels.<key>"), and
  // returns its new record. An empty value removes a label. kInvalidArgument: `paths` names
  // anything else.
  Result<Snapshot> Update(const std::string& name, const Labels& labels,
                          std::span<const std::string> paths);

  // Returns every snapshot that any filter matches, ascending by ID; all of them without a filter.
  // kInvalidArgument: a filter does not parse.
  Result<std::vector<Snapshot>> List(std::span<const std::string> filters);

  // Returns how much disk the snapshot itself takes, without its parents: the blob of a sealed
  // layer, else its directory; a view takes nothing. A directory is measured at each call, that of
  // a committed snapshot only once.
  Result<Usage> UsageOf(const std::string& key);

  // Deletes what nothing refers to: directories of removed snapshots, blobs beyond the cache's
  // limits, partial downloads older than `keep_partials`.
  Status Cleanup();

  // Looks at all snapshots: fetches lost blobs again, and makes lost directories again as far as
  // their content is known. A blob of the right size is taken for right; BlobCache::Verify reads
  // it.
  RepairReport Repair();

  // Returns how many snapshots there are.
  size_t size() const { return records_->size(); }

 private:
  Snapshots(const SnapshotsDeps& deps, std::unique_ptr<SnapshotRecords> records);

  int64_t Now() const;  // nanoseconds since 1970
  Result<std::vector<Mount>> Create(Kind kind, const CreateRequest& request);
  Result<Chain> ParentsFor(Kind kind, const CreateRequest& request);
  Result<bool> PrepareLayer(const CreateRequest& request, const std::string& ref);
  Result<bool> PullLayer(const CreateRequest& request, const std::string& ref, const Chain& below);
  Status CommitLayer(const CreateRequest& request, const std::string& ref,
                     const PulledLayer& pulled);
  Status TrimBlobs(const Snapshot& removed);
  void RememberUsage(const Snapshot& measured, const Usage& usage);
  void Sweep(uint64_t id);
  std::set<uint64_t> KnownIds();
  Status RepairAllDirectories();
  Status RepairDirectories(const Snapshot& snapshot);
  bool NeedsRepair(const Snapshot& snapshot) const;
  Status RepairSnapshot(const Snapshot& snapshot);

  const SnapshotsDeps deps_;
  const std::unique_ptr<SnapshotRecords> records_;
  NameLocks names_;  // taken before all other locks, and held over writes to store and disk
  const SnapshotDirectories directories_;
  SealedPulls pulls_;
  ContainerImages images_;
  SealedContainers containers_;
  Sweeper sweeper_;  // last: it uses the rest
};

}  // namespace locket::snapshotter
