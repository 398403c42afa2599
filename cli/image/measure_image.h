// What a host arrives at that converts an ordinary image itself, verify-only
// (docs/formats/sealed-layer.md): computed here, so that a policy can pin it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/image/layer_image.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"

namespace locket::cli {

struct LayerMeasurement {
  image::Digest diff_id;
  verity::LayerIdentity identity;
  image::Digest blob_digest;
  uint64_t blob_size;
};

struct ImageMeasurement {
  image::Digest manifest;  // the ordinary image's
  std::string platform;
  // Of the sealed image that comes out: what initdata allows.
  image::Digest sealed_manifest;
  image::Digest sealed_config;
  std::string user;
  std::vector<LayerMeasurement> layers;  // bottom first
};

// Pushes nothing. kFailedPrecondition: the image is sealed, so its root hashes stand in it; or its
// user cannot be resolved.
Result<ImageMeasurement> MeasureImage(image::ImageSource& source, const LayerImageOptions& options,
                                      Progress& progress);

}  // namespace locket::cli
