#include "erofs/lz4_packer.h"

#include <lz4.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"
#include "base/endian.h"
#include "erofs/block_sink.h"

namespace locket::erofs {
namespace {

// Z_EROFS_LCLUSTER_TYPE_* (Linux, fs/erofs/erofs_fs.h), of each 4096 bytes of the file.
constexpr uint64_t kStored = 0;   // a piece begins here and is stored as it is
constexpr uint64_t kHead = 1;     // a piece begins here
constexpr uint64_t kNonHead = 2;  // it goes on

}  // namespace

size_t Lz4Packer::Pack(std::span<const std::byte> bytes, bool last) {
  size_t done = 0;
  while (bytes.size() - done >= kMaxPiece || (last && done < bytes.size())) {
    done += PackPiece(bytes.subspan(done));
  }
  // The last 4096 bytes have an entry of their own, which may only say that nothing begins there.
  if (last && offset_ > 0) AppendEntry(kStored, std::exchange(offset_, 0), 0);
  return done;
}

// A piece that is packed is longer than 4096 bytes, one that is stored is as long as that, if the
// file is: no two ever begin in the same 4096 bytes, for which the index has no room.
size_t Lz4Packer::PackPiece(std::span<const std::byte> bytes) {
  std::array<char, kBlockSize> packed;
  int taken = static_cast<int>(std::min(bytes.size(), kMaxPiece));
  int size = 0;
  if (bytes.size() > kBlockSize) {
    size = LZ4_compress_destSize(reinterpret_cast<const char*>(bytes.data()), packed.data(), &taken,
                                 static_cast<int>(packed.size()));
  }
  const bool gains = size > 0 && static_cast<size_t>(taken) > kBlockSize;
  const size_t piece = gains ? static_cast<size_t>(taken) : std::min(bytes.size(), kBlockSize);
  const std::span<const std::byte> content =
      gains ? std::as_bytes(std::span(packed)).first(static_cast<size_t>(size))
            : bytes.first(piece);
  // Packed data ends with its block (LZ4_0PADDING), stored data begins with it.
  blocks_.resize(blocks_.size() + kBlockSize);
  const auto block = std::span(blocks_).last(kBlockSize);
  std::ranges::copy(content, gains ? block.last(content.size()).begin() : block.begin());
  AppendIndex(piece, gains);
  ++num_blocks_;
  return piece;
}

void Lz4Packer::AppendIndex(size_t piece_bytes, bool packed) {
  const size_t entries = (offset_ + piece_bytes) / kBlockSize;
  AppendEntry(packed ? kHead : kStored, offset_, first_block_ + num_blocks_);
  // How far back the piece's head is, and how far ahead the next.
  for (size_t i = 1; i < entries; ++i) AppendEntry(kNonHead, 0, i | (entries - i) << 16);
  // A piece that ends where it began is the file's last and needs no entry for its end.
  offset_ = entries == 0 ? 0 : (offset_ + piece_bytes) % kBlockSize;
}

void Lz4Packer::AppendEntry(uint64_t type, uint64_t offset, uint64_t value) {
  const uint64_t entry = type | offset << 16 | value << 32;
  index_ += AsText(ToLittleEndian(entry));
  ++index_entries_;
}

std::vector<std::byte> Lz4Packer::TakeBlocks() { return std::exchange(blocks_, {}); }
std::string Lz4Packer::TakeIndex() { return std::exchange(index_, {}); }

}  // namespace locket::erofs
