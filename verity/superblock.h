// cryptsetup's on-disk verity superblock, so that `veritysetup` and other tools can open a layer.
// The guest never reads it, because the host could have written anything there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "verity/layout.h"

namespace locket::verity {

struct Superblock {
  Uuid uuid;
  uint64_t data_blocks;
  Salt salt;
  bool operator==(const Superblock&) const = default;
};

// Returns the superblock of a layer with this salt and layout.
Superblock SuperblockFor(const Salt& salt, const Layout& layout);

// Returns the block that holds it: 512 bytes in use, the rest zero.
std::array<std::byte, kBlockSize> EncodeSuperblock(const Superblock& superblock);

// Accepts exactly what EncodeSuperblock writes (hash type 1, SHA-256, 4096/4096, 32-byte salt).
// kDataLoss: anything else, and which field it was.
Result<Superblock> DecodeSuperblock(std::span<const std::byte> block);

}  // namespace locket::verity
