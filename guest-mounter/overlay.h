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

// The mount. Pure. What a layer says in trusted.overlay.* about other places of the image is not
// followed, and no device opens under `target`, as long as nobody binds it elsewhere without nodev:
// crun 1.8 does.
device::MountSpec OverlayMount(const OverlayPlace& place);

}  // namespace locket::guest_mounter
