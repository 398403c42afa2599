// Where an image goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"

namespace locket::erofs {

inline constexpr uint64_t kBlockSize = 4096;

class BlockSink {
 public:
  virtual ~BlockSink() = default;

  // Whole blocks, the first of which is number `first_block`. Each block is written exactly once;
  // the order is ascending, except for block 0, which comes last.
  virtual Status Write(uint64_t first_block, std::span<const std::byte> blocks) = 0;
};

// Fills a part of the buffer and says how many bytes; 0 is the end. Never called after an error.
using ByteSource = std::function<Result<size_t>(std::span<std::byte>)>;

}  // namespace locket::erofs
