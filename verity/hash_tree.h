// The dm-verity hash tree (format 1, SHA-256, 4096-byte blocks, salt first).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "verity/layout.h"

namespace locket::verity {

// SHA-256(salt || block) of each 4096-byte block of `blocks`, on two threads when that pays.
// `blocks` is a multiple of 4096 bytes long.
std::vector<Sha256Digest> HashBlocks(const Salt& salt, std::span<const std::byte> blocks);

// Fed the data area in order; holds 32 bytes for each block of it. Not thread-safe.
class HashTreeBuilder {
 public:
  explicit HashTreeBuilder(const Salt& salt) : salt_(salt) {}

  // Whole blocks only.
  void Append(std::span<const std::byte> blocks);

  // Hands the finished tree to `write` in its order on disk (top level first) and returns the root
  // hash. kInvalidArgument: nothing was appended, or too much. Errors of `write` are passed on.
  Result<Sha256Digest> Finish(const std::function<Status(std::span<const std::byte>)>& write);

 private:
  Salt salt_;
  std::vector<Sha256Digest> leaves_;
};

}  // namespace locket::verity
