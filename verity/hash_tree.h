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

// Builds the tree of one layer: Put every block, then Finish. Holds 32 bytes for each block of the
// data area.
class HashTreeBuilder {
 public:
  HashTreeBuilder(const Salt& salt, const Layout& layout)
      : salt_(salt), level_blocks_(layout.level_blocks), leaves_(layout.data_size / kBlockSize) {}

  // Hashes whole blocks of the data area, the first of which has the number `first_block`. Every
  // block has to come once, in any order. Several threads may put different blocks at the same
  // time.
  void Put(uint64_t first_block, std::span<const std::byte> blocks);

  // Gives the finished tree to `write`, in its order on disk (top level first), and returns the
  // root hash. An error of `write` is returned. To be called once, after all Puts have returned.
  Result<Sha256Digest> Finish(const std::function<Status(std::span<const std::byte>)>& write);

 private:
  Salt salt_;
  std::vector<uint64_t> level_blocks_;
  std::vector<Sha256Digest> leaves_;
};

}  // namespace locket::verity
