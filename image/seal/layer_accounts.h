// For sealing: a layer's accounts, out of the file system that it became.
#pragma once

#include "base/result.h"
#include "erofs/image_reader.h"
#include "image/oci/accounts.h"

namespace locket::image {

// What the layer does to /etc/passwd and /etc/group, each read if it is at most 4 MiB long. Nobody
// follows symlinks: where /etc or a file is one, the file has trouble. kDataLoss: the image is
// damaged.
Result<LayerAccounts> ReadLayerAccounts(const erofs::ImageReader& layer);

}  // namespace locket::image
