// Unpacks the tar of a layer: gzip, zstd, or not compressed at all. Hides ISA-L and libzstd.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "erofs/block_sink.h"

namespace locket::erofs {

// Movable; for one thread.
class Decompressor {
 public:
  // Reads enough of `source` to tell the format. A stream that is neither gzip nor zstd goes
  // through unchanged. Errors of `source` are returned, here and by Read.
  static Result<Decompressor> Open(ByteSource source);

  Decompressor(Decompressor&&) noexcept;
  ~Decompressor();

  // Writes the next bytes into `out` and returns how many. Returns 0 at the end, when `source` is
  // at its end as well. kDataLoss: the compressed stream is damaged, cut short, or followed by
  // other bytes; Read must not be called again. Uses less than 1 MiB of memory for gzip, and up to
  // 129 MiB for zstd (its window).
  Result<size_t> Read(std::span<std::byte> out);

  class Codec;

 private:
  explicit Decompressor(std::unique_ptr<Codec> codec);
  std::unique_ptr<Codec> codec_;
};

}  // namespace locket::erofs
