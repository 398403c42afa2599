// The second half of an image: directories, inodes with their xattrs and tails, superblock.
#pragma once

#include <array>
#include <cstddef>

#include "base/result.h"
#include "erofs/block_writer.h"
#include "erofs/image_builder.h"
#include "erofs/tree.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {

// Whether `tail` bytes share a block with their inode and xattrs.
bool FitsInline(uint64_t xattr_bytes, uint64_t tail);

struct ImageParts {
  const Tree& tree;
  const XattrTable& xattrs;
  const Spool& spool;
};

// After the data area, of which `out` stands at the end. Everything goes to `out`, then block 0 to
// `sink`. Order: depth first by name, so what lies near in the tree lies near on disk.
Result<ImageInfo> WriteMetadata(const ImageParts& parts, const std::array<std::byte, 16>& uuid,
                                BlockWriter& out, BlockSink& sink);

}  // namespace locket::erofs
