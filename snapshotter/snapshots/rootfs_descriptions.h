// rootfs.json: what the shim is told of a container's sealed layers (docs/formats/rootfs-json.md).
#pragma once

#include "base/result.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

// Thread-safe; calls about one snapshot are the caller's to order.
class RootfsDescriptions {
 public:
  // Both outlive the object.
  RootfsDescriptions(const RootDirectory& root, const BlobCache& blobs)
      : root_(root), blobs_(blobs) {}

  // Whether the snapshot has a rootfs.json that describes the image in its record.
  bool IsWritten(const Snapshot& snapshot) const;

  // Writes rootfs.json, durably, unless it is written already. The snapshot's record has the
  // container's image, and `chain` is the layers it lies on, nearest first. kFailedPrecondition:
  // the manifest, or the blob of a layer, is gone from the cache, or the image has other layers
  // than `chain`; there is then no new file.
  Status Write(const Snapshot& snapshot, const Chain& chain) const;

 private:
  const RootDirectory& root_;
  const BlobCache& blobs_;
};

}  // namespace locket::snapshotter
