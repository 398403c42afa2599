// The places of the parts of a sealed layer, and the values that are derived from its digest
// (docs/formats/sealed-layer.md). Everything follows from the size of the data area, so nothing has
// to be believed that the blob itself says.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "verity/sha256.h"

namespace locket::verity {

inline constexpr uint64_t kBlockSize = 4096;
inline constexpr uint64_t kMaxDataSize = uint64_t{1} << 42;

using Salt = std::array<std::byte, 32>;
using Uuid = std::array<std::byte, 16>;

struct Layout {
  uint64_t data_size;
  uint64_t superblock_offset;  // == data_size
  uint64_t tree_offset;
  uint64_t tree_size;  // 0 for one data block: the root hash is then that block's hash
  uint64_t blob_size;
  std::vector<uint64_t> level_blocks;  // hash blocks of each level, leaves first
};

// Returns the layout of a layer with a data area of `data_size` bytes. kInvalidArgument: it is not
// a multiple of 4096 from 4096 to 2^42. Allocates a few numbers only, whatever the size.
Result<Layout> LayoutFor(uint64_t data_size);

// The same for a blob whose size is known. kDataLoss: a blob of that layout has another size.
Result<Layout> LayoutFor(uint64_t data_size, uint64_t blob_size);

// Return values that are derived from the digest of the layer's tar, "sha256:<hex>", and from the
// salt, so that everybody who seals the same tar gets the same ones.
Salt SaltForDiffId(std::string_view diff_id);
Uuid ErofsUuidForDiffId(std::string_view diff_id);
Uuid SuperblockUuidForSalt(const Salt& salt);

}  // namespace locket::verity
