#include "verity/superblock.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/endian.h"

namespace locket::verity {
namespace {

// cryptsetup, lib/verity/verity.c: struct verity_sb, little-endian.
constexpr std::string_view kMagic("verity\0\0", 8);
constexpr std::string_view kAlgorithm = "sha256";
constexpr size_t kVersionAt = 8;
constexpr size_t kHashTypeAt = 12;
constexpr size_t kUuidAt = 16;
constexpr size_t kAlgorithmAt = 32;  // 32 bytes
constexpr size_t kDataBlockSizeAt = 64;
constexpr size_t kHashBlockSizeAt = 68;
constexpr size_t kDataBlocksAt = 72;
constexpr size_t kSaltSizeAt = 80;
constexpr size_t kSaltAt = 88;  // 256 bytes
constexpr uint64_t kMaxDataBlocks = kMaxDataSize / kBlockSize;

template <typename T>
void Put(std::span<std::byte> block, size_t at, T value) {
  std::ranges::copy(ToLittleEndian(value), block.subspan(at).begin());
}

Error Bad(std::string_view what) {
  return {ErrorCode::kDataLoss, "verity superblock: " + std::string(what)};
}

// Which field of `block` first differs from `wanted`.
std::string_view DifferingField(std::span<const std::byte> block,
                                std::span<const std::byte> wanted) {
  const auto at = static_cast<size_t>(
      std::mismatch(block.begin(), block.end(), wanted.begin()).first - block.begin());
  if (at < kVersionAt) return "wrong magic";
  if (at < kHashTypeAt) return "unknown version";
  if (at < kUuidAt) return "unknown hash type";
  if (at < kDataBlockSizeAt) return "hash algorithm is not sha256";
  if (at < kHashBlockSizeAt) return "data block size is not 4096";
  if (at < kDataBlocksAt) return "hash block size is not 4096";
  if (at < kSaltAt) return "salt is not 32 bytes long";
  return "bytes that must be zero are not";
}

}  // namespace

Superblock SuperblockFor(const Salt& salt, const Layout& layout) {
  return {.uuid = SuperblockUuidForSalt(salt),
          .data_blocks = layout.data_size / kBlockSize,
          .salt = salt};
}

std::array<std::byte, kBlockSize> EncodeSuperblock(const Superblock& superblock) {
  std::array<std::byte, kBlockSize> block{};
  std::ranges::copy(AsBytes(kMagic), block.begin());
  Put(block, kVersionAt, uint32_t{1});
  Put(block, kHashTypeAt, uint32_t{1});
  std::ranges::copy(superblock.uuid, block.begin() + kUuidAt);
  std::ranges::copy(AsBytes(kAlgorithm), block.begin() + kAlgorithmAt);
  Put(block, kDataBlockSizeAt, static_cast<uint32_t>(kBlockSize));
  Put(block, kHashBlockSizeAt, static_cast<uint32_t>(kBlockSize));
  Put(block, kDataBlocksAt, superblock.data_blocks);
  Put(block, kSaltSizeAt, static_cast<uint16_t>(superblock.salt.size()));
  std::ranges::copy(superblock.salt, block.begin() + kSaltAt);
  return block;
}

Result<Superblock> DecodeSuperblock(std::span<const std::byte> block) {
  if (block.size() != kBlockSize) return Bad("not a block of 4096 bytes");
  Superblock superblock{.uuid = {},
                        .data_blocks = FromLittleEndian<uint64_t>(block.subspan(kDataBlocksAt)),
                        .salt = {}};
  std::copy_n(block.begin() + kUuidAt, superblock.uuid.size(), superblock.uuid.begin());
  std::copy_n(block.begin() + kSaltAt, superblock.salt.size(), superblock.salt.begin());
  const auto wanted = EncodeSuperblock(superblock);
  if (!std::ranges::equal(block, wanted)) return Bad(DifferingField(block, wanted));
  if (superblock.data_blocks == 0 || superblock.data_blocks > kMaxDataBlocks) {
    return Bad("number of data blocks is out of bounds");
  }
  return superblock;
}

}  // namespace locket::verity
