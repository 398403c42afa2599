// For image/'s .cpp files: hands the chunks of one stream from a producer thread to several reader
// threads, through a fixed number of buffers.
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

// A ring of buffers. Every reader sees every chunk, in the order of the stream. A buffer is filled
// again when all readers have given it back, so the producer waits for the slowest reader and the
// memory never grows.
//
// One thread calls Fill. Each reader has a thread of its own, which alone calls Next, ForEach and
// Leave with that reader's number. The ring outlives all these calls.
//
// Everybody waits for everybody. A reader that stops calling Next before the end has to call Leave,
// on every way out, or Fill never returns. Without a call of Fill, Next never returns.
//
// An example, with two readers, of which the second gives up:
//
//   producer          reader 0              reader 1
//   Fill(...)         Next(0) -> chunk 0    Next(1) -> chunk 0
//     fills chunk 1   Next(0) -> chunk 1    Leave(1)
//     stops           Next(0) -> the end
//   returns Ok()
//
// A stream ends in one of three ways. Each reader first gets the chunks that were filled before the
// end; only then does its call tell of the end.
// * The producer's function returns 0: Fill succeeds, and the readers get an empty chunk.
// * The producer's function returns an error: Fill returns it, and so does Next.
// * A reader leaves, after which nobody can use the rest of the stream: Fill succeeds and asks for
//   no more, and the other readers get an empty chunk.
class ChunkRing {
 public:
  // Allocates `num_chunks` buffers of `chunk_bytes` each, for readers 0 to `num_readers` - 1. With
  // two buffers the producer and the readers work at the same time; more even out their speeds.
  ChunkRing(size_t num_readers, size_t num_chunks, size_t chunk_bytes);

  // Writes the next bytes of the stream into the buffer and returns how many: at most the buffer's
  // size, and any chunk may be shorter. Returns 0 at the end of the stream.
  using Producer = std::function<Result<size_t>(std::span<std::byte>)>;

  // Calls `producer` for one buffer after the other until the stream ends. Returns the producer's
  // error if that is how it ended. To be called once.
  Status Fill(const Producer& producer);

  // Gives the reader's last chunk back, waits for its next one and returns it, valid until the next
  // call for this reader. Returns an empty chunk at the end of the stream, or the producer's error.
  Result<std::span<const std::byte>> Next(size_t reader);

  // Calls Next until the end of the stream, and `use` with each chunk. It also ends at the
  // producer's error, without reporting it: the thread that calls Fill gets the same error.
  void ForEach(size_t reader, const std::function<void(std::span<const std::byte>)>& use);

  // Ends the stream for everybody, because this reader cannot go on. The reader's chunk must not be
  // used afterwards. Does nothing if the stream has ended already.
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
