#include "verity/hash_tree.h"

#include <cassert>
#include <cstring>
#include <thread>

namespace locket::verity {
namespace {

// A thread costs some 20 us, a block 3 us.
constexpr size_t kBlocksWorthAThread = 64;

void HashRange(const Salt& salt, std::span<const std::byte> blocks, std::span<Sha256Digest> out) {
  Sha256 hash;
  for (size_t i = 0; i < out.size(); ++i) {
    hash.Update(salt);
    hash.Update(blocks.subspan(i * kBlockSize, kBlockSize));
    out[i] = hash.Finish();
  }
}

// A level's hashes as they lie on disk: 128 in a block, the last block filled up with zeros.
std::vector<std::byte> AsLevel(const std::vector<Sha256Digest>& hashes, uint64_t blocks) {
  std::vector<std::byte> level(blocks * kBlockSize);
  std::memcpy(level.data(), hashes.data(), hashes.size() * sizeof(Sha256Digest));
  return level;
}

}  // namespace

std::vector<Sha256Digest> HashBlocks(const Salt& salt, std::span<const std::byte> blocks) {
  assert(blocks.size() % kBlockSize == 0);
  std::vector<Sha256Digest> hashes(blocks.size() / kBlockSize);
  const std::span<Sha256Digest> out(hashes);
  const size_t half = out.size() < kBlocksWorthAThread ? 0 : out.size() / 2;
  std::thread other;
  if (half > 0) other = std::thread([&] { HashRange(salt, blocks, out.first(half)); });
  HashRange(salt, blocks.subspan(half * kBlockSize), out.subspan(half));
  if (other.joinable()) other.join();
  return hashes;
}

void HashTreeBuilder::Put(uint64_t first_block, std::span<const std::byte> blocks) {
  assert(blocks.size() % kBlockSize == 0);
  HashRange(salt_, blocks, std::span(leaves_).subspan(first_block, blocks.size() / kBlockSize));
}

Result<Sha256Digest> HashTreeBuilder::Finish(
    const std::function<Status(std::span<const std::byte>)>& write) {
  std::vector<Sha256Digest> hashes = std::move(leaves_);
  std::vector<std::vector<std::byte>> levels;  // leaves first
  for (const uint64_t blocks : level_blocks_) {
    levels.push_back(AsLevel(hashes, blocks));
    hashes = HashBlocks(salt_, levels.back());
  }
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) LOCKET_TRY(write(*level));
  return hashes.front();
}

}  // namespace locket::verity
