// The two ways bytes leave the writer: blocks in order to the sink, and odd ends to a spool file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "erofs/block_sink.h"

namespace locket::erofs {

// Collects bytes and hands whole blocks to the sink, in large pieces, from block 1 on.
class BlockWriter {
 public:
  // kResourceExhausted comes from whatever would carry the position past `max_bytes`.
  BlockWriter(BlockSink& sink, uint64_t max_bytes) : sink_(sink), max_bytes_(max_bytes) {}

  // Return the position in the image, in bytes, and the number of the first block without bytes.
  uint64_t position() const { return flushed_ + buffer_.size(); }
  uint64_t next_block() const { return (position() + kBlockSize - 1) / kBlockSize; }

  Status CheckRoom(uint64_t bytes) const;
  Status Append(std::span<const std::byte> bytes);
  Status AppendZeros(uint64_t bytes);
  Status PadToBlock() { return AppendZeros(next_block() * kBlockSize - position()); }

  // Takes back, and returns, what has been appended past the last whole block.
  std::vector<std::byte> TakeTail();

  // Hands everything to the sink. To be called at a block's boundary only.
  Status Flush();

 private:
  Status FlushWholeBlocks();

  BlockSink& sink_;
  uint64_t max_bytes_;
  uint64_t flushed_ = kBlockSize;  // block 0 is somebody else's
  std::vector<std::byte> buffer_;  // starts at a block's boundary
};

// A file without a name. The life cycle: Append any number of times, then Flush, then Read.
class Spool {
 public:
  static Result<Spool> Create(const std::filesystem::path& directory);

  // Returns where in the file the bytes begin.
  Result<uint64_t> Append(std::span<const std::byte> bytes);
  Status Flush();
  Status Read(uint64_t offset, std::span<std::byte> out) const;

 private:
  Spool(UniqueFd fd, std::filesystem::path directory)
      : fd_(std::move(fd)), directory_(std::move(directory)) {}
  UniqueFd fd_;
  std::filesystem::path directory_;  // for messages
  uint64_t flushed_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace locket::erofs
