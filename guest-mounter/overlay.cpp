#include "guest-mounter/overlay.h"

#include <ranges>
#include <set>

namespace locket::guest_mounter {
namespace {

// Explicit, whatever the kernel was built with or was told. Nothing else reads an upper directory,
// and it lives as long as the mount, so there are no file handles and there is no index.
constexpr char kOptions[] = ",redirect_dir=nofollow,metacopy=off,index=off,xino=off,nfs_export=off";

// Topmost first, as overlayfs takes them. It refuses a directory that it has already, so of a layer
// that is there several times only the topmost counts. The others show nothing: whatever entry,
// whiteout or opaque directory they have at a path, the topmost has it too, and what hides the
// topmost there hides them.
std::string LowerDirectories(const std::vector<std::string>& layers) {
  std::set<std::string> seen;
  std::string names;
  for (const std::string& layer : layers | std::views::reverse) {
    if (!seen.insert(layer).second) continue;
    names += (names.empty() ? "" : ":") + layer;
  }
  return names;
}

}  // namespace

device::MountSpec OverlayMount(const OverlayPlace& place) {
  const std::string top = place.writable.string();
  return {.source = "overlay",
          .target = place.target.string(),
          .type = "overlay",
          .data = "lowerdir=" + LowerDirectories(place.layers) + ",upperdir=" + top +
                  "/upper,workdir=" + top + "/work" + kOptions,
          .relative_to = place.directory.string(),
          .nodev = true};
}

}  // namespace locket::guest_mounter
