#include "verity/verify_layer.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/file.h"
#include "verity/hash_tree.h"
#include "verity/superblock.h"

namespace locket::verity {
namespace {

constexpr uint64_t kChunk = uint64_t{4} << 20;

Result<Layout> LayoutOf(int fd, uint64_t data_size) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return Error::FromErrno(errno, "stat blob");
  return LayoutFor(data_size, static_cast<uint64_t>(info.st_size));
}

Status CheckSuperblock(int fd, const Salt& salt, const Layout& layout) {
  std::vector<std::byte> block(kBlockSize);
  LOCKET_TRY(PreadFull(fd, block, layout.superblock_offset));
  LOCKET_TRY_ASSIGN(const Superblock found, DecodeSuperblock(block));
  if (found == SuperblockFor(salt, layout)) return Ok();
  return Error(ErrorCode::kDataLoss,
               "verity superblock: UUID, salt or size are not those of this layer");
}

// Compares the hash of each of `blocks` with what stands in `wanted`.
Status CheckBlocks(const Salt& salt, std::span<const std::byte> blocks,
                   std::span<const std::byte> wanted, uint64_t offset, const char* kind) {
  const auto hashes = HashBlocks(salt, blocks);
  const auto found = std::as_bytes(std::span(hashes));
  const auto [at, unused] = std::ranges::mismatch(found, wanted.first(found.size()));
  if (at == found.end()) return Ok();
  const uint64_t index = static_cast<uint64_t>(at - found.begin()) / sizeof(Sha256Digest);
  const uint64_t bad = offset + index * kBlockSize;
  return Error(ErrorCode::kDataLoss, std::string(kind) + " block at byte " + std::to_string(bad) +
                                         " (block " + std::to_string(bad / kBlockSize) +
                                         " of the blob) is not what the root hash vouches for");
}

// From the root down; returns the hashes of the data blocks.
Result<std::vector<std::byte>> CheckTree(int fd, const LayerIdentity& identity,
                                         const Layout& layout) {
  std::vector<std::byte> wanted(identity.root_hash.begin(), identity.root_hash.end());
  uint64_t offset = layout.tree_offset;
  for (auto blocks = layout.level_blocks.rbegin(); blocks != layout.level_blocks.rend(); ++blocks) {
    std::vector<std::byte> level(*blocks * kBlockSize);
    LOCKET_TRY(PreadFull(fd, level, offset));
    LOCKET_TRY(CheckBlocks(identity.salt, level, wanted, offset, "hash"));
    offset += level.size();
    wanted = std::move(level);
  }
  return wanted;
}

}  // namespace

Status VerifyLayer(int fd, const LayerIdentity& identity, const CheckedData& checked) {
  LOCKET_TRY_ASSIGN(const Layout layout, LayoutOf(fd, identity.data_size));
  LOCKET_TRY(CheckSuperblock(fd, identity.salt, layout));
  LOCKET_TRY_ASSIGN(const auto leaves, CheckTree(fd, identity, layout));
  std::vector<std::byte> chunk(std::min(kChunk, layout.data_size));
  for (uint64_t offset = 0; offset < layout.data_size; offset += chunk.size()) {
    chunk.resize(std::min(kChunk, layout.data_size - offset));
    LOCKET_TRY(PreadFull(fd, chunk, offset));
    const uint64_t block = offset / kBlockSize;
    LOCKET_TRY(CheckBlocks(identity.salt, chunk,
                           std::span(leaves).subspan(block * sizeof(Sha256Digest)), offset,
                           "data"));
    if (checked) LOCKET_TRY(checked(block, chunk));
  }
  return Ok();
}

}  // namespace locket::verity
