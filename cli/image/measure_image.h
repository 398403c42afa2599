// Computes what a host produces when it converts an ordinary image itself
// (docs/formats/converted-layer.md), so that a tenant can allow it in the initdata without trusting
// the host.
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
  // The sealed image that a host produces. Initdata allows its manifest digest.
  image::Digest sealed_manifest;
  image::Digest sealed_config;
  std::string user;
  std::vector<LayerMeasurement> layers;  // bottom first
};

// Downloads the image and seals each layer, verify-only, without keeping it. Pushes nothing. The
// temporary directory holds one layer at a time. kFailedPrecondition: the image is sealed already,
// or its user cannot be resolved. kCancelled: `options.stop` was requested.
Result<ImageMeasurement> MeasureImage(image::ImageSource& source, const LayerImageOptions& options,
                                      Progress& progress);

}  // namespace locket::cli
