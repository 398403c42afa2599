// The image of a container on sealed layers, with its documents in the blob cache.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/containerd/container_image.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

// A container's image. Its manifest and config are in the blob cache and stay there while this
// object lives.
struct KeptImage {
  ImageSource source;
  image::Manifest manifest;  // of the sealed image
  std::vector<std::shared_ptr<const BlobCache::Pin>> pins{};
};

// Finds out of which image a container is. Several images can have the same layers, so a
// container's snapshot does not tell; only containerd knows
// (docs/decisions/0034-the-image-of-a-container.md). Thread-safe.
class ContainerImages {
 public:
  // All of them outlive the object. `converter` is nullptr where nothing is converted.
  ContainerImages(Containerd& containerd, BlobCache& blobs, Converter* converter)
      : containerd_(containerd), blobs_(blobs), converter_(converter) {}

  // Asks containerd for the image of the container whose snapshot this is, and keeps the image's
  // documents. `chain` is the sealed layers that the snapshot lies on, nearest first. For an
  // ordinary image that was converted it returns the sealed image it became, converting it again if
  // its documents are lost. Returns nothing if containerd has no record of the container yet.
  // kUnavailable: containerd does not answer. kFailedPrecondition: the image cannot be told, or it
  // has other layers than `chain`, or it is not to be converted; the message says what to do.
  Result<std::optional<KeptImage>> Find(const Snapshot& snapshot, const Chain& chain,
                                        const Converter::GaveUp& gave_up);

 private:
  Result<KeptImage> Keep(const ContainerImage& found, const Chain& chain,
                         const Converter::GaveUp& gave_up);
  Result<KeptImage> KeepSealed(const ContainerImage& found, const std::string& reference,
                               const image::Manifest& manifest);
  std::optional<KeptImage> PulledWith(const image::Digest& ordinary, const Snapshot& top) const;
  Result<KeptImage> KeepConverted(const OrdinaryImage& image, const ContainerImage& found,
                                  const Converter::GaveUp& gave_up);

  Containerd& containerd_;
  BlobCache& blobs_;
  Converter* const converter_;
};

}  // namespace locket::snapshotter
