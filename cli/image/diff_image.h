// Two images compared layer by layer, down to the reason.
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
  uint64_t max_differences = 1000;  // kept of each layer
};

struct LayerComparison {
  // Hex; empty: that image has no such layer.
  std::string root_hash_a{};
  std::string root_hash_b{};
  std::vector<LayerDifference> differences{};
  uint64_t not_kept = 0;  // differences beyond the bound
  std::string why{};      // in a sentence

  bool same() const { return root_hash_a == root_hash_b; }
};

struct ImageComparison {
  std::vector<LayerComparison> layers;  // bottom first

  bool same() const;
};

// Sealed images are opened (encrypted ones with the key), ordinary ones laid out as sealing would.
// Layers of which it is known already that they are the same are not fetched.
Result<ImageComparison> DiffImages(image::ImageSource& a, image::ImageSource& b,
                                   const DiffImageOptions& options, Progress& progress);

}  // namespace locket::cli
