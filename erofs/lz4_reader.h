// Takes apart what Lz4Packer made (docs/formats/sealed-layer.md). The bytes may be anybody's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "erofs/image_reader.h"

namespace locket::erofs {

struct Lz4File {
  uint64_t size;      // of the file; how much memory is taken does not depend on it
  uint64_t index_at;  // where in the image its index begins
};

// The file's content in order. `read_at` refuses what lies outside the image. kDataLoss: index or
// data are not as Lz4Packer makes them. Errors of `read_at` and `piece` are passed on.
Status ReadLz4File(const Lz4File& file, const ReadAt& read_at,
                   const std::function<Status(std::span<const std::byte>)>& piece);

}  // namespace locket::erofs
