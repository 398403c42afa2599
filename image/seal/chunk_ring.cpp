#include "image/seal/chunk_ring.h"

#include <algorithm>
#include <utility>

namespace locket::image {

ChunkRing::ChunkRing(size_t num_readers, size_t num_chunks, size_t chunk_bytes)
    : chunks_(num_chunks), readers_(num_readers) {
  for (Chunk& chunk : chunks_) chunk.bytes.resize(chunk_bytes);
}

// Whether a reader still uses the buffer that `chunk` is to go to.
bool ChunkRing::Awaits(uint64_t chunk) const {
  return std::ranges::any_of(
      readers_, [&](const Reader& reader) { return chunk - reader.freed >= chunks_.size(); });
}

void ChunkRing::End(std::optional<Error> failure) {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  failure_ = std::move(failure);
  changed_.notify_all();
}

Status ChunkRing::Fill(const Producer& producer) {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return left_ || !Awaits(filled_); });
      if (left_) break;
    }
    Chunk& chunk = chunks_[filled_ % chunks_.size()];
    auto got = producer(chunk.bytes);
    if (!got.ok()) {
      End(got.error());
      return std::move(got).error();
    }
    if (*got == 0) break;
    const std::lock_guard lock(mutex_);
    chunk.size = *got;
    ++filled_;
    changed_.notify_all();
  }
  End(std::nullopt);
  return Ok();
}

Result<std::span<const std::byte>> ChunkRing::Next(size_t reader) {
  std::unique_lock lock(mutex_);
  Reader& self = readers_[reader];
  self.freed = self.taken;
  changed_.notify_all();
  changed_.wait(lock, [&] { return ended_ || self.taken < filled_; });
  if (self.taken < filled_) {
    const Chunk& chunk = chunks_[self.taken++ % chunks_.size()];
    return std::span(chunk.bytes).first(chunk.size);
  }
  if (failure_.has_value()) return *failure_;
  return std::span<const std::byte>{};
}

void ChunkRing::ForEach(size_t reader, const std::function<void(std::span<const std::byte>)>& use) {
  while (true) {
    const auto chunk = Next(reader);
    if (!chunk.ok() || chunk->empty()) return;
    use(*chunk);
  }
}

void ChunkRing::Leave(size_t reader) {
  const std::lock_guard lock(mutex_);
  readers_[reader].freed = readers_[reader].taken;
  left_ = true;
  changed_.notify_all();
}

}  // namespace locket::image
