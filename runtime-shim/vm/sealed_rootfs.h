// What a container's root file system is made of: the files that rootfs.json names
// (docs/formats/rootfs-json.md). The snapshotter writes rootfs.json; the host reads the small
// documents that it names, and hands the layers to the guest unread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

// A sealed layer in the host's cache.
struct LayerFile {
  std::string digest;          // "sha256:<hex>"
  uint64_t size;               // in bytes
  std::filesystem::path path;  // absolute
  bool operator==(const LayerFile&) const = default;
};

struct SealedRootfs {
  std::string image_ref;                  // for messages
  std::string manifest;                   // the exact bytes, of which the guest computes the digest
  std::string config;                     // likewise
  std::vector<std::string> signatures{};  // documents of locket image sign
  std::vector<LayerFile> layers;          // bottom first
};

// Finds among a container's mount options the one that names rootfs.json, and reads the documents
// that rootfs.json names. `image_name`: for messages; may be empty.
//
// kFailedPrecondition: no option names one, so the image is not sealed; or the file is not there,
// because the snapshotter was not told which image the container is of. kNotFound: a layer or a
// document is missing; the image has to be pulled again. kDataLoss: a layer has another size than
// rootfs.json says, or manifest or config have another digest. kResourceExhausted: the documents
// together are larger than kMaxImageDocuments.
Result<SealedRootfs> LoadSealedRootfs(const std::vector<std::string>& mount_options,
                                      const std::string& image_name);

inline constexpr size_t kMaxImageDocuments = 3U << 20;  // a ttrpc message holds 4 MiB

}  // namespace locket::runtime_shim
