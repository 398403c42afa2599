#include "snapshotter/snapshots/mounts.h"

#include <unistd.h>

namespace locket::snapshotter {
namespace {

std::vector<Mount> Bind(const std::filesystem::path& source, Kind kind) {
  return {{.type = "bind",
           .source = source.string(),
           .options = {kind == Kind::kView ? "ro" : "rw", "rbind"}}};
}

bool KernelKnowsIndexOption() {
  static const bool kKnown = ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
  return kKnown;
}

}  // namespace

std::vector<Mount> OverlayMounts(const OverlayPlan& plan) {
  if (plan.parents.empty()) return Bind(plan.content, plan.kind);
  // An overlay of one lower directory and nothing above is refused by the kernel.
  if (plan.kind == Kind::kView && plan.parents.size() == 1) {
    return Bind(plan.parents.front(), plan.kind);
  }
  Mount overlay{.type = "overlay", .source = "overlay", .options = {}};
  if (plan.index_off) overlay.options.emplace_back("index=off");
  if (plan.kind == Kind::kActive) {
    overlay.options.push_back("workdir=" + plan.work.string());
    overlay.options.push_back("upperdir=" + plan.content.string());
  }
  std::string lower = "lowerdir=";
  for (size_t i = 0; i < plan.parents.size(); ++i) {
    if (i > 0) lower += ':';
    lower += plan.parents[i].string();
  }
  overlay.options.push_back(std::move(lower));
  return {overlay};
}

std::vector<Mount> SealedMounts(Kind kind, const std::filesystem::path& rootfs,
                                const std::filesystem::path& rootfs_json) {
  return {{.type = "bind",
           .source = rootfs.string(),
           .options = {"rbind", kind == Kind::kView ? "ro" : "rw",
                       "dev.locket.rootfs=" + rootfs_json.string()}}};
}

std::vector<Mount> MountsOf(const RootDirectory& root, const Snapshot& snapshot,
                            const Chain& parents) {
  if (snapshot.sealed()) {
    return SealedMounts(snapshot.kind, root.rootfs(snapshot.id), root.rootfs_json(snapshot.id));
  }
  OverlayPlan plan{.kind = snapshot.kind,
                   .content = root.snapshot(snapshot.id),
                   .work = root.work(snapshot.id),
                   .parents = {},
                   .index_off = KernelKnowsIndexOption()};
  for (const SnapshotPtr& parent : parents) plan.parents.push_back(root.snapshot(parent->id));
  return OverlayMounts(plan);
}

}  // namespace locket::snapshotter
