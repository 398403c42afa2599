// Turns an image back into files.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "cli/image/extract_layer.h"
#include "cli/image/layer_image.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"

namespace locket::cli {

// Lays out the file system that a container of the image sees: every layer is checked, opened and
// laid over those below. Works for sealed and ordinary images. `directory` may exist if it is
// empty; then it is replaced. It appears when it is complete: on failure it is as it was before.
// kAlreadyExists: `directory` is not empty. kFailedPrecondition: it is a mount point or the working
// directory, which cannot be replaced; or a layer is encrypted and there is no key.
// kPermissionDenied: not root, and `extract.rootless` is not set. The temporary directory holds one
// layer at a time.
Result<ExtractReport> ExtractImage(image::ImageSource& source,
                                   const std::filesystem::path& directory,
                                   const LayerImageOptions& options,
                                   const ExtractLayerOptions& extract, Progress& progress);

struct ExtractedLayer {
  size_t layer;  // counted from the bottom, which is 0
  verity::LayerIdentity identity;
};

// Writes the EROFS image of one layer, decrypted, to `file`, mode 0600. `layer` counts from 0 at
// the bottom, or from -1 at the top downwards. Replaces `file` when the image is complete. Returns
// which layer it was. kInvalidArgument: the image has no such layer. Other codes as OpenLayerImage.
Result<ExtractedLayer> ExtractLayerImage(image::ImageSource& source, int layer,
                                         const std::filesystem::path& file,
                                         const LayerImageOptions& options, Progress& progress);

}  // namespace locket::cli
