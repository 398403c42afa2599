// For image/'s .cpp files: the hashes of a layer's data area.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "verity/hash_tree.h"

namespace locket::image {

// Reads the first `data_size` bytes of `fd` once, by this thread, and hashes them by others: two
// give `tree` its leaves, one updates `blob_hash`, unless it is null.
Status HashDataArea(int fd, uint64_t data_size, verity::HashTreeBuilder& tree,
                    verity::Sha256* blob_hash);

}  // namespace locket::image
