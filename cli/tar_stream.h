// A layer blob's tar, uncompressed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "image/image_source.h"

namespace locket::cli {

// Reads `blob` (plain, gzip or zstd, told by its first bytes) and gives what is inside. At the end
// the blob was read to its own end, too, so its digest was right.
class TarStream {
 public:
  static Result<std::unique_ptr<TarStream>> Open(std::unique_ptr<image::BlobStream> blob);
  TarStream(const TarStream&) = delete;
  TarStream& operator=(const TarStream&) = delete;
  ~TarStream();

  // 0: the end. kDataLoss: the compressed stream is damaged or cut off.
  Result<size_t> Read(std::span<std::byte> out);

 private:
  class Impl;
  explicit TarStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::cli
