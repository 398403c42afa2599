// Compares two images layer by layer, and finds the reason why root hashes differ.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/image/diff_layer.h"
#include "cli/image/layer_image.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"

namespace locket::cli {

struct DiffImageOptions {
  LayerImageOptions layers;
  uint64_t max_differences = 1000;  // for each layer; further ones are only counted
};

struct LayerComparison {
  // In hex; empty if the image has no such layer.
  std::string root_hash_a{};
  std::string root_hash_b{};
  std::vector<LayerDifference> differences{};
  uint64_t not_kept = 0;  // number of differences beyond max_differences
  std::string why{};      // the reason in a sentence; empty if same()

  bool same() const { return root_hash_a == root_hash_b; }
};

struct ImageComparison {
  std::vector<LayerComparison> layers;  // bottom first

  bool same() const;
};

// Compares `a` with `b`. Sealed layers are opened, encrypted ones with the key; ordinary ones are
// laid out as sealing them would. Layers that are known to be the same, by root hash or diff ID,
// are not downloaded. kFailedPrecondition: a layer is encrypted and there is no key. kDataLoss: an
// image is damaged; the message names image and layer. kCancelled: `options.layers.stop` was
// requested.
Result<ImageComparison> DiffImages(image::ImageSource& a, image::ImageSource& b,
                                   const DiffImageOptions& options, Progress& progress);

}  // namespace locket::cli
