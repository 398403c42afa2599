// The mounts of a snapshot, from where its directories are.
#pragma once

#include <filesystem>
#include <vector>

#include "snapshotter/store/layout.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

struct OverlayPlan {
  Kind kind;                                   // kActive or kView
  std::filesystem::path content;               // the snapshot's own directory
  std::filesystem::path work;                  // overlayfs's work directory; used by kActive only
  std::vector<std::filesystem::path> parents;  // the content of each parent, nearest first
  bool index_off;                              // pass index=off (the kernel knows the option)
};

// Returns a bind mount where one directory is all there is, else an overlay. containerd's own
// overlayfs snapshotter answers the same, so its differ and its runtimes need no special case.
std::vector<Mount> OverlayMounts(const OverlayPlan& plan);

// Returns the mount of a container on sealed layers: a bind of its stub directory, which any
// containerd can mount. The last option is `dev.locket.rootfs=<path of rootfs.json>`: the kernel
// ignores it on a bind, the shim reads it (docs/formats/rootfs-json.md).
std::vector<Mount> SealedMounts(Kind kind, const std::filesystem::path& rootfs,
                                const std::filesystem::path& rootfs_json);

// Returns the mounts of an active snapshot or a view. `parents` is its chain, nearest first.
// Whether the directories are there is not looked at.
std::vector<Mount> MountsOf(const RootDirectory& root, const Snapshot& snapshot,
                            const Chain& parents);

}  // namespace locket::snapshotter
