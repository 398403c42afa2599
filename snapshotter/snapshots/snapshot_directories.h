// The directories of snapshots on disk. Which snapshots there are it does not know: each call is
// told.
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "base/result.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

// What a snapshot has on disk depends on its kind:
//
//   an ordinary active snapshot      snapshots/<id>, its content; with a parent also work/<id>, for
//   overlayfs an ordinary committed snapshot   snapshots/<id> an ordinary view nothing; without a
//   parent an empty snapshots/<id> a container on sealed layers     snapshots/<id>/rootfs, a stub
//   root file system with /etc/passwd and /etc/group a sealed layer                   nothing: it
//   is a blob
//
// Directories are made before the record of their snapshot and removed after it. So a kill at any
// moment leaves at most directories without a record, which RemoveStrays takes away. They are not
// synced: after a power cut a record may have lost its directories, which Repair makes again.
//
// Keeps nothing in memory, so any thread may call it; calls about one ID are the caller's to order.
class SnapshotDirectories {
 public:
  // Both outlive the object. `converter` knows the accounts of converted images; nullptr: nothing
  // is converted here.
  SnapshotDirectories(const RootDirectory& root, const Converter* converter)
      : root_(root), converter_(converter) {}

  // Whether all that Make makes for the snapshot is there.
  bool AreWhole(const Snapshot& snapshot) const;

  // Makes the directories of a new snapshot. `parents` is its chain, nearest first. On failure some
  // may be there: Remove. kDataLoss: the content of its parent is gone.
  Status Make(const Snapshot& snapshot, const Chain& parents) const;

  // Makes the directories again of a snapshot that has lost some; what an active one held is lost.
  // kDataLoss: it is committed, so its content cannot be made again.
  Status Repair(const Snapshot& snapshot, const Chain& parents) const;

  // Removes the directories of that ID. Succeeds when there are none.
  Status Remove(uint64_t id) const;

  // Removes every directory whose ID `known_ids` does not return. It is asked after the directories
  // were listed, so one that is made meanwhile stays. What cannot be removed (a mount point, for
  // example) is logged and left.
  Status RemoveStrays(const std::function<std::set<uint64_t>()>& known_ids) const;

 private:
  Status MakeOrdinary(const Snapshot& snapshot, const Chain& parents) const;
  Status MakeSealed(const Snapshot& snapshot, const Chain& parents) const;

  const RootDirectory& root_;
  const Converter* const converter_;
};

}  // namespace locket::snapshotter
