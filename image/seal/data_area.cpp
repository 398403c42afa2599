#include "image/seal/data_area.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "image/seal/chunk_ring.h"

namespace locket::image {
namespace {

constexpr size_t kChunk = 256U << 10;  // fits into the second-level cache
constexpr size_t kNumChunks = 16;
constexpr size_t kTreeThreads = 2;

// Every kTreeThreads-th chunk of the ring, from chunk number `reader` on.
void HashLeaves(ChunkRing& ring, size_t reader, verity::HashTreeBuilder& tree) {
  uint64_t number = 0;
  ring.ForEach(reader, [&](std::span<const std::byte> chunk) {
    if (number % kTreeThreads == reader) tree.Put(number * (kChunk / verity::kBlockSize), chunk);
    ++number;
  });
}

// Without a hash of the whole nobody needs the chunks in their order: each thread reads its own.
Status HashLeavesAlone(int fd, uint64_t data_size, verity::HashTreeBuilder& tree) {
  std::atomic<uint64_t> next = 0;
  std::vector<Status> outcomes(kTreeThreads, Ok());
  const auto run = [&](Status& outcome) {
    std::vector<std::byte> buffer(kChunk);
    for (uint64_t at = next++ * kChunk; outcome.ok() && at < data_size; at = next++ * kChunk) {
      const auto chunk = std::span(buffer).first(std::min<uint64_t>(kChunk, data_size - at));
      outcome = PreadFull(fd, chunk, at);
      if (outcome.ok()) tree.Put(at / verity::kBlockSize, chunk);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < kTreeThreads; ++i) threads.emplace_back(run, std::ref(outcomes[i]));
  run(outcomes.front());
  for (std::thread& thread : threads) thread.join();
  for (Status& outcome : outcomes) LOCKET_TRY(std::move(outcome));
  return Ok();
}

}  // namespace

Status HashDataArea(int fd, uint64_t data_size, verity::HashTreeBuilder& tree,
                    verity::Sha256* blob_hash) {
  if (blob_hash == nullptr) return HashLeavesAlone(fd, data_size, tree);
  ChunkRing ring(kTreeThreads + 1, kNumChunks, kChunk);
  std::vector<std::thread> threads;
  for (size_t reader = 0; reader < kTreeThreads; ++reader) {
    threads.emplace_back([&ring, reader, &tree] { HashLeaves(ring, reader, tree); });
  }
  threads.emplace_back([&ring, blob_hash] {
    ring.ForEach(kTreeThreads, [&](std::span<const std::byte> chunk) { blob_hash->Update(chunk); });
  });
  uint64_t offset = 0;
  const Status read = ring.Fill([&](std::span<std::byte> out) -> Result<size_t> {
    const size_t size = std::min<uint64_t>(out.size(), data_size - offset);
    LOCKET_TRY(PreadFull(fd, out.first(size), offset));
    offset += size;
    return size;
  });
  for (std::thread& thread : threads) thread.join();
  return read;
}

}  // namespace locket::image
