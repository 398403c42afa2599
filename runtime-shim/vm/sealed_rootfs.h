// What a container's root file system is made of: the files that rootfs.json names
// (docs/formats/rootfs-json.md), as far as the host reads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

struct LayerFile {
  std::string digest;  // "sha256:<hex>"
  uint64_t size;
  std::filesystem::path path;
  bool operator==(const LayerFile&) const = default;
};

struct SealedRootfs {
  std::string image_ref;
  std::string manifest;  // the bytes
  std::string config;    // likewise
  std::vector<std::string> signatures{};
  std::vector<LayerFile> layers;  // bottom first
};

// Finds the mount option that names rootfs.json among `mount_options` and reads what it names.
// kFailedPrecondition: there is none: `image_name` is not sealed; or the snapshotter did not come
// to know the container's image. kNotFound, kDataLoss: a file is missing, a layer has another size,
// or manifest or config another digest. kResourceExhausted: together too large for the agent.
Result<SealedRootfs> LoadSealedRootfs(const std::vector<std::string>& mount_options,
                                      const std::string& image_name);

inline constexpr size_t kMaxImageDocuments = 3U << 20;  // a ttrpc message holds 4 MiB

}  // namespace locket::runtime_shim
