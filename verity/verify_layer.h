// Checks a whole sealed layer against its root hash, without the key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "verity/layout.h"

namespace locket::verity {

struct LayerIdentity {
  Sha256Digest root_hash;
  Salt salt;
  uint64_t data_size;

  bool operator==(const LayerIdentity&) const = default;
};

// Takes the checked data area in order, `first_block` counting from 0. An error ends the check.
using CheckedData = std::function<Status(uint64_t first_block, std::span<std::byte> blocks)>;

// Reads the blob open at `fd` from its start: length, superblock, the tree from the root down, then
// the data against the leaves. Each chunk goes to `checked` (if any) only once it has passed.
// kDataLoss: names the first block that fails. Memory: 32 bytes for each data block.
Status VerifyLayer(int fd, const LayerIdentity& identity, const CheckedData& checked = {});

}  // namespace locket::verity
