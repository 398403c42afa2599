// Checks a whole sealed layer against its root hash, without the key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "verity/layout.h"

namespace locket::verity {

// The values that a layer is checked against. Who knows them knows the content of the data area.
struct LayerIdentity {
  Sha256Digest root_hash;
  Salt salt;
  uint64_t data_size;

  bool operator==(const LayerIdentity&) const = default;
};

// Gets the data area in order, in pieces that have passed the check. `first_block` counts from 0.
// It may change the bytes. An error ends the check and is returned.
using CheckedData = std::function<Status(uint64_t first_block, std::span<std::byte> blocks)>;

// Reads the blob open at `fd` from its start and checks its length, its superblock, the tree from
// the root down, and the data against the leaves. Each piece of data goes to `checked` (if given)
// after it has passed. kDataLoss: the message names the first block that fails. Uses 32 bytes of
// memory for each block of data.
Status VerifyLayer(int fd, const LayerIdentity& identity, const CheckedData& checked = {});

}  // namespace locket::verity
