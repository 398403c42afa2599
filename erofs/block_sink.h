// Where an image goes, and where its tar comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"

namespace locket::erofs {

inline constexpr uint64_t kBlockSize = 4096;

// Of file data. With LZ4 the image depends on liblz4's version as well.
enum class Compression { kNone, kLz4 };

class BlockSink {
 public:
  virtual ~BlockSink() = default;

  // Whole blocks, the first of which is number `first_block`; the sink may change them where they
  // are. Each block is written exactly once; the order is ascending, except for block 0, which
  // comes last.
  virtual Status Write(uint64_t first_block, std::span<std::byte> blocks) = 0;
};

// Fills a part of the buffer and says how many bytes; 0 is the end. Never called after an error.
using ByteSource = std::function<Result<size_t>(std::span<std::byte>)>;

// The next piece, which stays where it is until the next call; an empty one is the end. Never
// called after an error or the end.
using PieceSource = std::function<Result<std::span<const std::byte>>()>;

}  // namespace locket::erofs
