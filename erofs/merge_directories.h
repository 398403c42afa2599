// Adds one layer to the directories of the layers below it.
#pragma once

#include "base/result.h"
#include "erofs/image_reader.h"
#include "erofs/lower_directories.h"

namespace locket::erofs {

// Puts `layer` on top of `lower`: its directories with their attributes, and without those that it
// hides or replaces. kDataLoss: the image is damaged. kResourceExhausted: see LowerDirectories.
// After an error `lower` is of no use.
Status MergeDirectories(const ImageReader& layer, LowerDirectories& lower);

// Whether the layer, sealed with nothing known of the layers below, may be another one when sealed
// over `lower`: a directory of it that looks as if the tar did not name it is another one there, or
// a whiteout of it lies in a directory that is not there. kDataLoss: the image is damaged.
Result<bool> DependsOnLower(const ImageReader& layer, const LowerDirectories& lower);

}  // namespace locket::erofs
