#include "erofs/lz4_reader.h"

#include <lz4.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/endian.h"
#include "erofs/block_sink.h"
#include "erofs/lz4_packer.h"

namespace locket::erofs {
namespace {

constexpr size_t kEntryBytes = 8;
constexpr size_t kEntriesAtOnce = 8192;
constexpr uint16_t kStored = 0;
constexpr uint16_t kHead = 1;
constexpr uint16_t kNonHead = 2;

Error Damaged(const std::string& why) {
  return {ErrorCode::kDataLoss, "EROFS image: compressed data: " + why};
}

struct Entry {
  uint16_t type;
  uint16_t offset;
  uint32_t block;
};

Entry DecodeEntry(std::span<const std::byte> bytes) {
  const auto value = FromLittleEndian<uint64_t>(bytes);
  return {.type = static_cast<uint16_t>(value),
          .offset = static_cast<uint16_t>(value >> 16),
          .block = static_cast<uint32_t>(value >> 32)};
}

class Lz4Reader {
 public:
  using Piece = std::function<Status(std::span<const std::byte>)>;

  Lz4Reader(const Lz4File& file, const ReadAt& read_at, const Piece& piece)
      : file_(file), read_at_(read_at), piece_(piece), plain_(Lz4Packer::kMaxPiece) {}

  Status Run() {
    const uint64_t count = (file_.size + kBlockSize - 1) / kBlockSize;
    std::vector<std::byte> entries(std::min<uint64_t>(count, kEntriesAtOnce) * kEntryBytes);
    for (uint64_t i = 0; i < count; ++i) {
      const size_t at = i % kEntriesAtOnce * kEntryBytes;
      if (at == 0) {
        entries.resize(std::min<uint64_t>(count - i, kEntriesAtOnce) * kEntryBytes);
        LOCKET_TRY(read_at_(file_.index_at + i * kEntryBytes, entries));
      }
      LOCKET_TRY(Take(i, DecodeEntry(std::span(entries).subspan(at, kEntryBytes))));
    }
    return begin_ < file_.size ? Emit(file_.size) : Ok();
  }

 private:
  // The entry for the bytes of the file from `number` * 4096 on.
  Status Take(uint64_t number, const Entry& entry) {
    if (entry.type == kNonHead && number > 0) return Ok();
    if (entry.type != kStored && entry.type != kHead) return Damaged("an entry of no known type");
    const uint64_t begin = number * kBlockSize + entry.offset;
    if (entry.offset >= kBlockSize || begin > file_.size || (number == 0 && begin != 0)) {
      return Damaged("a piece begins in an impossible place");
    }
    if (number > 0) LOCKET_TRY(Emit(begin));
    begin_ = begin;
    entry_ = entry;
    return Ok();
  }

  // The piece that began last, up to `end` of the file.
  Status Emit(uint64_t end) {
    const uint64_t size = end - begin_;
    const bool packed = entry_.type == kHead;
    if (end <= begin_ || size > (packed ? plain_.size() : kBlockSize)) {
      return Damaged("a piece of an impossible size");
    }
    LOCKET_TRY(read_at_(uint64_t{entry_.block} * kBlockSize, block_));
    if (!packed) return piece_(std::span(block_).first(size));
    const auto* const from =
        std::ranges::find_if(block_, [](std::byte byte) { return byte != std::byte{0}; });
    const int got = LZ4_decompress_safe(
        reinterpret_cast<const char*>(from), reinterpret_cast<char*>(plain_.data()),
        static_cast<int>(block_.end() - from), static_cast<int>(size));
    if (got < 0 || static_cast<uint64_t>(got) != size) return Damaged("a piece cannot be unpacked");
    return piece_(std::span(plain_).first(size));
  }

  Lz4File file_;
  const ReadAt& read_at_;
  const Piece& piece_;
  uint64_t begin_ = 0;
  Entry entry_{};
  std::array<std::byte, kBlockSize> block_{};
  std::vector<std::byte> plain_;
};

}  // namespace

Status ReadLz4File(const Lz4File& file, const ReadAt& read_at,
                   const std::function<Status(std::span<const std::byte>)>& piece) {
  return Lz4Reader(file, read_at, piece).Run();
}

}  // namespace locket::erofs
