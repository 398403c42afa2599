// For sealing: reads a layer's account files from the file system that was made of it.
#pragma once

#include "base/result.h"
#include "erofs/image_reader.h"
#include "image/oci/accounts.h"

namespace locket::image {

// Returns what the layer does to /etc/passwd and /etc/group. A file of more than 4 MiB is not read,
// and symlinks are not followed: LayerFile::trouble then says why the file has no content.
// kDataLoss: the EROFS image is damaged.
Result<LayerAccounts> ReadLayerAccounts(const erofs::ImageReader& layer);

}  // namespace locket::image
