// An ordinary image, and the sealed image that it becomes on this host.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_cache.h"

namespace locket::snapshotter {

// An ordinary image as containerd asks for it.
struct OrdinaryImage {
  std::string reference;  // whose registry is asked for its config and layers
  image::Digest manifest_digest;
  image::Manifest manifest;
};

// Its sealed image. Manifest, config and layers are complete in the blob cache and stay there while
// this object lives.
struct ConvertedImage {
  image::Digest manifest_digest;
  image::Manifest manifest;
  std::vector<image::Digest> chain_ids;  // of the ordinary image: as containerd names its layers
  std::vector<std::shared_ptr<const BlobCache::Pin>> pins{};
};

// Returns a pin on one blob that several can hold together.
inline std::shared_ptr<const BlobCache::Pin> SharePin(BlobCache& blobs,
                                                      const image::Digest& digest) {
  return std::make_shared<const BlobCache::Pin>(blobs, std::vector<std::string>{digest.ToText()});
}

}  // namespace locket::snapshotter
