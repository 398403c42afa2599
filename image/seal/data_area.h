// For image/'s .cpp files: the hashes of a layer's data area.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "verity/hash_tree.h"

namespace locket::image {

// Reads the first `data_size` bytes of the file open at `fd`, once and from its start, and hashes
// them with several threads: each block becomes a leaf of `tree`, and all bytes in their order go
// to `blob_hash` unless it is null. `data_size` is a multiple of the block size.
//
// Fails if the file cannot be read or is shorter; then `tree` and `blob_hash` are of no use. The
// threads have ended when it returns.
Status HashDataArea(int fd, uint64_t data_size, verity::HashTreeBuilder& tree,
                    verity::Sha256* blob_hash);

}  // namespace locket::image
