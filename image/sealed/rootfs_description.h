// rootfs.json, by which the snapshotter tells the shim where the files of a container's image are
// (docs/formats/rootfs-json.md). Both run on the host; the guest trusts none of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/digest.h"

namespace locket::image {

inline constexpr size_t kMaxRootfsDescriptionBytes = 1U << 20;
// The option of the container's mount whose value is the path of the file.
inline constexpr std::string_view kRootfsMountOption = "dev.locket.rootfs=";

// A sealed layer's blob on the host.
struct RootfsLayer {
  Digest digest;
  uint64_t size;
  std::string media_type;
  std::string path;  // absolute

  bool operator==(const RootfsLayer&) const = default;
};

// The image of one container. Paths are absolute, on the host. The files stay as long as the
// container's snapshot.
struct RootfsDescription {
  std::string image_ref;
  Digest manifest_digest;
  std::string manifest_path;
  Digest config_digest;
  std::string config_path;
  std::vector<std::string> signature_paths{};
  std::vector<RootfsLayer> layers;  // bottom first

  bool operator==(const RootfsDescription&) const = default;
};

// kInvalidArgument: an unknown version, a missing or unknown field, a relative path, or too many
// layers.
Result<RootfsDescription> DecodeRootfsDescription(std::string_view json);
std::string EncodeRootfsDescription(const RootfsDescription& description);

}  // namespace locket::image
