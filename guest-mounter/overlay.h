// How layers are laid over one another: the overlayfs mount of a container's root directory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "device/mount_control.h"
#include "image/sealed/seal_documents.h"

namespace locket::guest_mounter {

// What overlayfs takes as lower layers. Images with more are refused when they are sealed, too.
inline constexpr size_t kMaxLowerLayers = image::kMaxDifferentLayers;

struct OverlayPlace {
  std::filesystem::path directory;  // the layers' mount points are directories in it
  std::vector<std::string> layers;  // their names, bottom first; a name may be there several times
  std::filesystem::path writable;   // has the directories upper and work
  std::filesystem::path target;
};

// Returns the mount for these directories; mounts nothing. The caller has checked that there are at
// most kMaxLowerLayers different names.
//
// Overlayfs features that Debian's kernels have on are named and off: what a layer says in
// trusted.overlay.* about other places of the image is not followed (redirect_dir, metacopy).
// No device opens under `target`, because it is nodev. That holds for the guest's own processes:
// crun binds the root directory over itself and remounts that bind with its own flags, so a
// container's root directory is not nodev. There the agent's device_guard.h has to keep devices
// closed.
device::MountSpec OverlayMount(const OverlayPlace& place);

}  // namespace locket::guest_mounter
