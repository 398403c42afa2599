#include "erofs/sparse_map.h"

#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "erofs/tar_header.h"

namespace locket::erofs {
namespace {

// tar(5), "Old GNU": entries of two numbers in the header, then in blocks of their own.
constexpr size_t kHeaderMapAt = 386;
constexpr size_t kHeaderMapEntries = 4;
constexpr size_t kHeaderMoreAt = 482;
constexpr size_t kRealSizeAt = 483;
constexpr size_t kBlockMapEntries = 21;
constexpr size_t kBlockMoreAt = 504;
constexpr size_t kNumberBytes = 12;
constexpr size_t kEntryBytes = 2 * kNumberBytes;

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Error Malformed() { return Invalid("the map of its sparse data is malformed"); }

Error TooLong() {
  return {ErrorCode::kResourceExhausted, "the map of its sparse data is too long"};
}

// Appends one piece, if it comes after the others and lies in the file.
Status Append(SparseFile& file, std::optional<int64_t> offset, std::optional<int64_t> size) {
  if (!offset || !size || *offset < 0 || *size < 0) return Malformed();
  const SparsePiece piece{.offset = static_cast<uint64_t>(*offset),
                          .size = static_cast<uint64_t>(*size)};
  const uint64_t end =
      file.pieces.empty() ? 0 : file.pieces.back().offset + file.pieces.back().size;
  if (piece.offset < end || piece.offset > file.size || piece.size > file.size - piece.offset) {
    return Malformed();
  }
  file.pieces.push_back(piece);
  return Ok();
}

Status AppendEntries(SparseFile& file, const TarBlock& block, size_t at, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const size_t entry = at + i * kEntryBytes;
    if (block[entry] == '\0') return Ok();  // as GNU tar and Go end it
    LOCKET_TRY(Append(file, TarNumber(block, entry, kNumberBytes),
                      TarNumber(block, entry + kNumberBytes, kNumberBytes)));
  }
  return Ok();
}

// Takes the map of format 1.0, decimal numbers each with a newline behind it, block by block.
class MapReader {
 public:
  MapReader(TarBlocks& tar, uint64_t body_bytes, uint64_t max_bytes)
      : tar_(tar), body_bytes_(body_bytes), max_bytes_(max_bytes) {}

  Result<int64_t> Number() {
    std::string digits;
    while (true) {
      if (at_ == block_.size()) LOCKET_TRY(NextBlock());
      const char c = block_[at_++];
      if (c == '\n') break;
      if (digits.size() == kMaxDigits) return Malformed();
      digits.push_back(c);
    }
    const auto number = DecimalNumber(digits);
    if (!number) return Malformed();
    return *number;
  }
  uint64_t taken() const { return taken_; }

 private:
  static constexpr size_t kMaxDigits = 20;

  Status NextBlock() {
    if (taken_ + kTarBlockBytes > max_bytes_) return TooLong();
    if (taken_ + kTarBlockBytes > body_bytes_) return Malformed();
    LOCKET_TRY_ASSIGN(const bool got, tar_.ReadBlock(block_));
    if (!got) return Malformed();
    taken_ += kTarBlockBytes;
    at_ = 0;
    return Ok();
  }

  TarBlocks& tar_;
  const uint64_t body_bytes_;
  const uint64_t max_bytes_;
  TarBlock block_{};
  size_t at_ = kTarBlockBytes;
  uint64_t taken_ = 0;
};

Status ReadFormat1(TarBlocks& tar, uint64_t body_bytes, uint64_t max_bytes, SparseFile& file) {
  MapReader map(tar, body_bytes, max_bytes);
  LOCKET_TRY_ASSIGN(const int64_t count, map.Number());
  if (count < 0) return Malformed();
  for (int64_t i = 0; i < count; ++i) {
    LOCKET_TRY_ASSIGN(const int64_t offset, map.Number());
    LOCKET_TRY_ASSIGN(const int64_t size, map.Number());
    LOCKET_TRY(Append(file, offset, size));
  }
  file.map_bytes = map.taken();
  return Ok();
}

// Formats 0.0 and 0.1: the numbers are in the records, the first in many, the second in one.
Status ReadFormat0(const PaxRecords& pax, SparseFile& file) {
  LOCKET_TRY_ASSIGN(const auto count, pax.FindNumber("GNU.sparse.numblocks"));
  auto numbers = pax.sparse_numbers();
  if (const auto map = pax.Find("GNU.sparse.map"); map && numbers.empty()) {
    for (std::string_view rest = *map;; rest.remove_prefix(rest.find(',') + 1)) {
      const auto number = DecimalNumber(rest.substr(0, rest.find(',')));
      if (!number) return Malformed();
      numbers.push_back(*number);
      if (rest.find(',') == rest.npos) break;
    }
  }
  if (!count || *count < 0 || numbers.size() % 2 != 0 ||
      static_cast<uint64_t>(*count) != numbers.size() / 2) {
    return Malformed();
  }
  for (size_t i = 0; i < numbers.size(); i += 2) {
    LOCKET_TRY(Append(file, numbers[i], numbers[i + 1]));
  }
  return Ok();
}

enum class PaxSparse { kNone, kFormat0, kFormat1 };

Result<PaxSparse> FormatOf(const PaxRecords& pax) {
  const auto major = pax.Find("GNU.sparse.major");
  const auto minor = pax.Find("GNU.sparse.minor");
  if (major == "0" && (minor == "0" || minor == "1")) return PaxSparse::kFormat0;
  if (major == "1" && minor == "0") return PaxSparse::kFormat1;
  if (major || minor) return Invalid("its format of sparse files is unknown");
  const bool guessed = pax.Find("GNU.sparse.map") || !pax.sparse_numbers().empty();
  return guessed ? PaxSparse::kFormat0 : PaxSparse::kNone;
}

// Formats 0.0 and 0.1 call it "size", 1.0 "realsize".
Result<uint64_t> RealSize(const PaxRecords& pax, uint64_t entry_size) {
  for (const char* key : {"GNU.sparse.size", "GNU.sparse.realsize"}) {
    LOCKET_TRY_ASSIGN(const auto size, pax.FindNumber(key));
    if (size && *size < 0) return Malformed();
    if (size) return static_cast<uint64_t>(*size);
  }
  return entry_size;
}

}  // namespace

Result<SparseFile> ReadOldSparseMap(TarBlocks& tar, const TarBlock& block, uint64_t max_bytes) {
  const auto size = TarNumber(block, kRealSizeAt, kNumberBytes);
  if (!size || *size < 0) return Malformed();
  SparseFile file{.size = static_cast<uint64_t>(*size), .pieces = {}};
  LOCKET_TRY(AppendEntries(file, block, kHeaderMapAt, kHeaderMapEntries));
  TarBlock next;
  uint64_t taken = 0;
  for (bool more = block[kHeaderMoreAt] != '\0'; more; more = next[kBlockMoreAt] != '\0') {
    if (taken + kTarBlockBytes > max_bytes) return TooLong();
    taken += kTarBlockBytes;
    LOCKET_TRY_ASSIGN(const bool got, tar.ReadBlock(next));
    if (!got) return Malformed();
    LOCKET_TRY(AppendEntries(file, next, 0, kBlockMapEntries));
  }
  return file;
}

Result<std::optional<SparseFile>> ReadPaxSparseMap(TarBlocks& tar, const PaxRecords& pax,
                                                   uint64_t entry_size, uint64_t body_bytes,
                                                   uint64_t max_bytes) {
  LOCKET_TRY_ASSIGN(const PaxSparse format, FormatOf(pax));
  if (format == PaxSparse::kNone) return std::optional<SparseFile>();
  SparseFile file{.size = 0, .pieces = {}};
  if (const auto name = pax.Find("GNU.sparse.name")) file.name = std::string(*name);
  LOCKET_TRY_ASSIGN(file.size, RealSize(pax, entry_size));
  if (format == PaxSparse::kFormat1) {
    LOCKET_TRY(ReadFormat1(tar, body_bytes, max_bytes, file));
  } else {
    LOCKET_TRY(ReadFormat0(pax, file));
  }
  return std::optional(std::move(file));
}

}  // namespace locket::erofs
