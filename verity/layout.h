// Where things lie in a sealed layer, and the values derived from its digest
// (docs/formats/sealed-layer.md).
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

// kInvalidArgument: data_size is not 4096..2^42 in steps of 4096. Allocates nothing of its size.
Result<Layout> LayoutFor(uint64_t data_size);

// As LayoutFor, and the blob must be exactly as long as that. kDataLoss: it is not.
Result<Layout> LayoutFor(uint64_t data_size, uint64_t blob_size);

// `diff_id` as text, "sha256:<hex>".
Salt SaltForDiffId(std::string_view diff_id);
Uuid ErofsUuidForDiffId(std::string_view diff_id);
Uuid SuperblockUuidForSalt(const Salt& salt);

}  // namespace locket::verity
