// For image/'s .cpp files: the hashes of a layer's data area.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "verity/hash_tree.h"

namespace locket::image {

// Reads the first `data_size` bytes of `fd` once, and hashes them by several threads: `tree` gets
// its leaves and, unless it is null, `blob_hash` all the bytes in their order.
Status HashDataArea(int fd, uint64_t data_size, verity::HashTreeBuilder& tree,
                    verity::Sha256* blob_hash);

}  // namespace locket::image
