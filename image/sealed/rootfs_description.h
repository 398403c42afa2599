// rootfs.json: what the snapshotter hands to the shim (docs/formats/rootfs-json.md).
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
// The mount option that names the file.
inline constexpr std::string_view kRootfsMountOption = "dev.locket.rootfs=";

struct RootfsLayer {
  Digest digest;
  uint64_t size;
  std::string media_type;
  std::string path;  // absolute

  bool operator==(const RootfsLayer&) const = default;
};

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

// kInvalidArgument: unknown version, missing or unknown fields, relative path, too many layers.
Result<RootfsDescription> DecodeRootfsDescription(std::string_view json);
std::string EncodeRootfsDescription(const RootfsDescription& description);

}  // namespace locket::image
