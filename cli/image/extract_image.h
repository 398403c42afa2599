// A sealed image back as files.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "cli/image/extract_layer.h"
#include "cli/image/layer_image.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"

namespace locket::cli {

// Lays out the file system that a container of the image sees: every layer checked, opened and laid
// over those below. The directory appears when it is whole; it may stand there before, empty.
// kAlreadyExists: something is in it. kPermissionDenied: not root, and not asked to do without.
// Works on an ordinary image, too. One layer at a time lies in the temporary directory.
Result<ExtractReport> ExtractImage(image::ImageSource& source,
                                   const std::filesystem::path& directory,
                                   const LayerImageOptions& options,
                                   const ExtractLayerOptions& extract, Progress& progress);

struct ExtractedLayer {
  size_t layer;  // from the bottom
  verity::LayerIdentity identity;
};

// The EROFS image of layer number `layer` (from the top if negative) to a new or replaced `file`,
// mode 0600.
Result<ExtractedLayer> ExtractLayerImage(image::ImageSource& source, int layer,
                                         const std::filesystem::path& file,
                                         const LayerImageOptions& options, Progress& progress);

}  // namespace locket::cli
