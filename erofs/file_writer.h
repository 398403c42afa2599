// One regular file's data on its way into the image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "erofs/block_writer.h"
#include "erofs/lz4_packer.h"
#include "erofs/tree.h"

namespace locket::erofs {

// Whole blocks go out; what remains shares a block with the inode if it fits. With LZ4, a file that
// gains by it in its first 128 KiB goes out in compressed blocks instead.
class FileWriter {
 public:
  // Everything outlives the writer. `node` gets size and layout; its xattrs, `xattr_bytes` long,
  // are known.
  FileWriter(BlockWriter& out, Spool& spool, Compression compression, uint64_t xattr_bytes,
             Node& node);

  uint64_t position() const { return position_; }
  Status Append(std::span<const std::byte> bytes);
  Status AppendZeros(uint64_t bytes);
  // All of the node's size was appended.
  Status Finish();

 private:
  enum class Mode { kPlain, kUndecided, kPacked };

  Status Decide(bool last);
  Status FlushPacked();
  Status FinishPlain();

  BlockWriter& out_;
  Spool& spool_;
  uint64_t xattr_bytes_;
  Node& node_;
  Mode mode_;
  uint64_t position_ = 0;
  std::vector<std::byte> waiting_;  // appended, not yet packed
  Lz4Packer packer_;
  bool index_started_ = false;
};

}  // namespace locket::erofs
