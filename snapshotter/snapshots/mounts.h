// The mounts of a snapshot, as a pure function of where its directories are.
#pragma once

#include <filesystem>
#include <vector>

#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

struct OverlayPlan {
  Kind kind;                                   // kActive or kView
  std::filesystem::path content;               // the snapshot's own `fs`
  std::filesystem::path work;                  // used by kActive only
  std::vector<std::filesystem::path> parents;  // `fs` of each parent, nearest first
  bool index_off;                              // pass index=off (the kernel knows the option)
};

// A bind where one directory is all there is, else an overlay: what containerd's own overlayfs
// snapshotter answers, so its differ and runtimes need no special case.
std::vector<Mount> OverlayMounts(const OverlayPlan& plan);

// docs/formats/rootfs-json.md: a bind of the stub directory that any containerd can mount; the
// kernel ignores the last option on a bind, the shim reads it.
std::vector<Mount> SealedMounts(Kind kind, const std::filesystem::path& rootfs,
                                const std::filesystem::path& rootfs_json);

}  // namespace locket::snapshotter
