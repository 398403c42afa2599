// The dm-verity hash tree (format 1, SHA-256, 4096-byte blocks, salt first).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "verity/layout.h"

namespace locket::verity {

// SHA-256(salt || block) of each 4096-byte block of `blocks`, on two threads when that pays.
// `blocks` is a multiple of 4096 bytes long.
std::vector<Sha256Digest> HashBlocks(const Salt& salt, std::span<const std::byte> blocks);

// Holds 32 bytes for each block of the data area.
class HashTreeBuilder {
 public:
  HashTreeBuilder(const Salt& salt, const Layout& layout)
      : salt_(salt), level_blocks_(layout.level_blocks), leaves_(layout.data_size / kBlockSize) {}

  // Whole blocks of the data area, the first of which is number `first_block`. Every block must
  // come once, in any order, and different blocks may come from different threads at once.
  void Put(uint64_t first_block, std::span<const std::byte> blocks);

  // Hands the finished tree to `write` in its order on disk (top level first) and returns the root
  // hash. Errors of `write` are passed on. Once only.
  Result<Sha256Digest> Finish(const std::function<Status(std::span<const std::byte>)>& write);

 private:
  Salt salt_;
  std::vector<uint64_t> level_blocks_;
  std::vector<Sha256Digest> leaves_;
};

}  // namespace locket::verity
