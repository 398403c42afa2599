// The seams of the image writer: where an image goes, and where its tar comes from.
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

// Takes the blocks of one image. Called by the thread that builds the image.
class BlockSink {
 public:
  virtual ~BlockSink() = default;

  // Takes whole blocks, the first of which has the number `first_block`, and may change them in
  // place, for example to encrypt them. Each block comes exactly once, in ascending order, except
  // that block 0 comes last. An error ends the build and is returned by it.
  virtual Status Write(uint64_t first_block, std::span<std::byte> blocks) = 0;
};

// Writes the next bytes into the buffer and returns how many. Returns 0 at the end. Not called
// again after the end or an error.
using ByteSource = std::function<Result<size_t>(std::span<std::byte>)>;

// Returns the next piece, which stays valid until the next call, or an empty one at the end. Not
// called again after the end or an error.
using PieceSource = std::function<Result<std::span<const std::byte>>()>;

}  // namespace locket::erofs
