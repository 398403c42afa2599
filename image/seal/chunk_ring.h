// For image/'s .cpp files: a few large buffers that one thread fills and several empty.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace locket::image {

// Every reader sees every chunk, in order. The producer waits for the slowest of them, so memory
// stays what it was at the start. One thread calls Fill, one thread each reader's functions.
class ChunkRing {
 public:
  ChunkRing(size_t num_readers, size_t num_chunks, size_t chunk_bytes);

  // Writes into the buffer it is given and says how many bytes; 0 is the end.
  using Producer = std::function<Result<size_t>(std::span<std::byte>)>;

  // Runs `producer` until its end, its first error (which the readers get, too) or until a reader
  // has left.
  Status Fill(const Producer& producer);

  // Gives back the reader's last chunk and waits for the next; an empty one is the end. The error
  // is the producer's.
  Result<std::span<const std::byte>> Next(size_t reader);

  // Calls `use` with each chunk until the end, or until the producer's error, of which the thread
  // in Fill tells.
  void ForEach(size_t reader, const std::function<void(std::span<const std::byte>)>& use);

  // The reader wants no more; nor does it make sense to anybody else.
  void Leave(size_t reader);

 private:
  struct Chunk {
    std::vector<std::byte> bytes;
    size_t size = 0;
  };
  struct Reader {
    uint64_t taken = 0;  // chunks given to it so far
    uint64_t freed = 0;  // chunks it is done with
  };

  bool Awaits(uint64_t chunk) const;
  void End(std::optional<Error> failure);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Chunk> chunks_;
  std::vector<Reader> readers_;
  uint64_t filled_ = 0;  // chunks so far
  bool ended_ = false;
  bool left_ = false;
  std::optional<Error> failure_{};
};

}  // namespace locket::image
