// Containers on sealed layers: what has to be there before the shim can start one.
#pragma once

#include "base/result.h"
#include "snapshotter/snapshots/container_images.h"
#include "snapshotter/snapshots/rootfs_descriptions.h"
#include "snapshotter/snapshots/sealed_pulls.h"
#include "snapshotter/snapshots/snapshot_directories.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/name_locks.h"
#include "snapshotter/store/snapshot_records.h"

namespace locket::snapshotter {

struct SealedContainersDeps {
  const RootDirectory& root;
  NameLocks& names;
  SnapshotRecords& records;
  const SnapshotDirectories& directories;
  SealedPulls& pulls;
  ContainerImages& images;
  RootfsDescriptions descriptions;
};

// A container's snapshot goes through these states, and a kill leaves it in one of them:
//
//   created     record and stub directory; the image in the record is that of the topmost layer,
//               which the container need not have been created of
//   identified  image_known in the record: containerd has told the image, and its documents are in
//               the blob cache
//   described   rootfs.json is there, and the shim can start the container
//
// containerd has a record of the container only after it created the snapshot, and before it
// creates the task. So the step to "identified" is made by the first Mounts after that. Each later
// call finds out which state is reached, and gets back what the disk has lost of it. Thread-safe.
class SealedContainers {
 public:
  // All that `deps` refers to outlives the object.
  explicit SealedContainers(const SealedContainersDeps& deps) : deps_(deps) {}

  // Whether the snapshot is described and has its image's documents. Its layers' blobs are not
  // looked at.
  bool IsReady(const Snapshot& snapshot) const;

  // Makes the snapshot as ready as it can be now: described, or created if containerd has no record
  // of the container yet. `chain` is the layers it lies on, nearest first. kNotFound: another
  // snapshot has taken its name meanwhile. kFailedPrecondition: its image cannot be told or does
  // not fit, or the image in its record is lost and containerd has another by now. kUnavailable:
  // containerd does not answer. Other errors are the registry's.
  Status MakeReady(const Snapshot& snapshot, const Chain& chain,
                   const Converter::GaveUp& gave_up = {});

 private:
  Result<SnapshotPtr> GetSame(const Snapshot& snapshot) const;
  Status RepairDirectories(const Snapshot& snapshot, const Chain& chain);
  Status Identify(const Snapshot& snapshot, const Chain& chain, const Converter::GaveUp& gave_up);

  const SealedContainersDeps deps_;
};

}  // namespace locket::snapshotter
