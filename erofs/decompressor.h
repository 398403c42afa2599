// A layer's tar out of what it travels in: gzip, zstd, or nothing at all; hides ISA-L and libzstd.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "erofs/block_sink.h"

namespace locket::erofs {

class Decompressor {
 public:
  // Reads enough of `source` to tell what it is; what is neither gzip nor zstd goes through as it
  // is. Errors of `source` are passed on, here and by Read.
  static Result<Decompressor> Open(ByteSource source);

  Decompressor(Decompressor&&) noexcept;
  ~Decompressor();

  // Fills a part of `out` and says how many bytes; 0 is the end, of `source` as well. Not to be
  // called after an error. kDataLoss: the compressed stream is damaged, cut short, or something
  // else stands after its end. Memory: below 1 MiB for gzip, up to 129 MiB for zstd (its window).
  Result<size_t> Read(std::span<std::byte> out);

  class Codec;

 private:
  explicit Decompressor(std::unique_ptr<Codec> codec);
  std::unique_ptr<Codec> codec_;
};

}  // namespace locket::erofs
