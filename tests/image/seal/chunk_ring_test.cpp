#include "image/seal/chunk_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

namespace locket::image {
namespace {

// Gives `count` chunks, of 1, 2, 3 ... bytes, filled with their number.
ChunkRing::Producer Counting(int count) {
  return [count, made = 0](std::span<std::byte> out) mutable -> Result<size_t> {
    if (made == count) return size_t{0};
    ++made;
    const auto size = static_cast<size_t>(made);
    std::memset(out.data(), made, size);
    return size;
  };
}

// What a reader saw, one character for each byte; an error ends it.
std::string ReadAll(ChunkRing& ring, size_t reader) {
  std::string all;
  while (true) {
    const auto chunk = ring.Next(reader);
    if (!chunk.ok()) return all + chunk.error().message();
    if (chunk->empty()) return all;
    for (const std::byte byte : *chunk) all.push_back(static_cast<char>('a' - 1 + int(byte)));
  }
}

TEST(ChunkRingTest, ShowsEveryReaderEveryChunkInOrder) {
  for (size_t num_chunks = 1; num_chunks < 5; ++num_chunks) {
    ChunkRing ring(/*num_readers=*/3, num_chunks, /*chunk_bytes=*/10);
    std::array<std::string, 3> seen;
    std::array<std::thread, 3> threads;
    for (size_t i = 0; i < 3; ++i) {
      threads[i] = std::thread([&, i] { seen[i] = ReadAll(ring, i); });
    }
    EXPECT_TRUE(ring.Fill(Counting(5)).ok());
    for (auto& thread : threads) thread.join();
    EXPECT_THAT(seen, ::testing::Each("abbcccddddeeeee"));
  }
}

TEST(ChunkRingTest, NeverWritesWhereAReaderStillReads) {
  ChunkRing ring(/*num_readers=*/2, /*num_chunks=*/2, /*chunk_bytes=*/10);
  std::atomic<int> made = 0;
  std::thread producer([&] {
    auto counting = Counting(8);
    EXPECT_TRUE(ring.Fill([&](std::span<std::byte> out) {
                      ++made;
                      return counting(out);
                    })
                    .ok());
  });
  std::thread fast([&] { EXPECT_EQ(ReadAll(ring, 1).size(), 36U); });
  for (int i = 1; i <= 8; ++i) {
    const auto chunk = ring.Next(0);
    ASSERT_TRUE(chunk.ok());
    // This one is held, so at most the other buffer was asked for since.
    EXPECT_LE(made.load(), i + 1);
    EXPECT_EQ(chunk->size(), static_cast<size_t>(i));
    for (const std::byte byte : *chunk) EXPECT_EQ(byte, static_cast<std::byte>(i));
  }
  EXPECT_TRUE(ring.Next(0)->empty());
  producer.join();
  fast.join();
}

TEST(ChunkRingTest, TellsEveryReaderOfTheProducersErrorAfterWhatWasGood) {
  ChunkRing ring(/*num_readers=*/2, /*num_chunks=*/3, /*chunk_bytes=*/10);
  std::array<std::string, 2> seen;
  std::thread one([&] { seen[0] = ReadAll(ring, 0); });
  std::thread other([&] { seen[1] = ReadAll(ring, 1); });
  auto counting = Counting(2);
  const auto filled = ring.Fill([&](std::span<std::byte> out) -> Result<size_t> {
    auto got = counting(out);
    if (*got == 0) return Error(ErrorCode::kUnavailable, " reset");
    return got;
  });
  one.join();
  other.join();
  ASSERT_FALSE(filled.ok());
  EXPECT_EQ(filled.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(seen, ::testing::Each("abb reset"));
}

TEST(ChunkRingTest, StopsWhenAReaderLeaves) {
  ChunkRing ring(/*num_readers=*/2, /*num_chunks=*/2, /*chunk_bytes=*/10);
  std::thread leaver([&] {
    EXPECT_FALSE(ring.Next(0)->empty());
    ring.Leave(0);
  });
  std::thread other([&] { ReadAll(ring, 1); });
  EXPECT_TRUE(ring.Fill([](std::span<std::byte>) -> Result<size_t> { return size_t{1}; }).ok())
      << "an endless producer ends";
  leaver.join();
  other.join();
}

}  // namespace
}  // namespace locket::image
