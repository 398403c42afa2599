// A file's data as EROFS keeps it compressed (docs/formats/sealed-layer.md): pieces of the file,
// each packed by LZ4 into one block, and an index that says where they begin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace locket::erofs {

class Lz4Packer {
 public:
  // What one block unpacks to at most. Small, since a guest that reads a byte unpacks all before.
  static constexpr size_t kMaxPiece = 64U << 10;

  // The file's blocks begin with number `first_block` of the image.
  explicit Lz4Packer(uint64_t first_block) : first_block_(first_block) {}

  // Packs what it can of `bytes`, which go on where the last call stopped, and says how much that
  // was: all if they are the file's `last`, else all but less than kMaxPiece.
  size_t Pack(std::span<const std::byte> bytes, bool last);

  // What was made since the last Take: whole blocks; entries of the index.
  std::vector<std::byte> TakeBlocks();
  std::string TakeIndex();

  uint64_t num_blocks() const { return num_blocks_; }
  uint64_t index_entries() const { return index_entries_; }

 private:
  size_t PackPiece(std::span<const std::byte> bytes);
  void AppendIndex(size_t piece_bytes, bool packed);
  void AppendEntry(uint64_t type, uint64_t offset, uint64_t value);

  uint64_t first_block_;
  uint64_t num_blocks_ = 0;
  uint64_t index_entries_ = 0;
  size_t offset_ = 0;  // of the next piece in its 4096 bytes of the file
  std::vector<std::byte> blocks_;
  std::string index_;
};

}  // namespace locket::erofs
