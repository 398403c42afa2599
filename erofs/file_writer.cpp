#include "erofs/file_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"
#include "erofs/metadata_writer.h"

namespace locket::erofs {
namespace {

constexpr size_t kTrialBytes = 128U << 10;

// Compressed data is worth its trouble where it takes less than seven eighths of the room.
bool IsWorthIt(uint64_t packed_bytes, uint64_t plain_bytes) {
  return packed_bytes * 8 < plain_bytes * 7;
}

}  // namespace

FileWriter::FileWriter(BlockWriter& out, Spool& spool, Compression compression,
                       uint64_t xattr_bytes, Node& node)
    : out_(out),
      spool_(spool),
      xattr_bytes_(xattr_bytes),
      node_(node),
      // A file of one block or less has nothing to gain.
      mode_(compression == Compression::kNone || node.size <= kBlockSize ? Mode::kPlain
                                                                         : Mode::kUndecided),
      packer_(out.next_block()) {
  node_.first_block = static_cast<uint32_t>(out_.next_block());
}

Status FileWriter::Append(std::span<const std::byte> bytes) {
  position_ += bytes.size();
  if (mode_ == Mode::kPlain) return out_.Append(bytes);
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), 2 * kTrialBytes - waiting_.size()));
    waiting_.insert(waiting_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (waiting_.size() < kTrialBytes) continue;
    LOCKET_TRY(Decide(/*last=*/false));
    if (mode_ == Mode::kPlain) return out_.Append(bytes);
  }
  return Ok();
}

Status FileWriter::AppendZeros(uint64_t bytes) {
  static constexpr std::array<std::byte, 16 * kBlockSize> kZeros{};
  while (bytes > 0) {
    const auto part = std::span(kZeros).first(std::min<uint64_t>(bytes, kZeros.size()));
    LOCKET_TRY(Append(part));
    bytes -= part.size();
  }
  return Ok();
}

// Packs what waits, the first time on trial.
Status FileWriter::Decide(bool last) {
  const size_t used = packer_.Pack(waiting_, last);
  if (mode_ == Mode::kUndecided) {
    const uint64_t packed = packer_.num_blocks() * kBlockSize + packer_.index_entries() * 8;
    mode_ = IsWorthIt(packed, used) ? Mode::kPacked : Mode::kPlain;
  }
  if (mode_ == Mode::kPlain) return out_.Append(std::exchange(waiting_, {}));
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(used));
  return FlushPacked();
}

Status FileWriter::FlushPacked() {
  LOCKET_TRY(out_.Append(packer_.TakeBlocks()));
  LOCKET_TRY_ASSIGN(const uint64_t at, spool_.Append(AsBytes(packer_.TakeIndex())));
  // Nobody else writes to the spool meanwhile, so the file's index lies there in one piece.
  if (!std::exchange(index_started_, true)) node_.spool_offset = at;
  return Ok();
}

Status FileWriter::Finish() {
  if (mode_ != Mode::kPlain) LOCKET_TRY(Decide(/*last=*/true));
  if (mode_ == Mode::kPlain) return FinishPlain();
  node_.layout = DataLayout::kCompressed;
  node_.first_block = static_cast<uint32_t>(packer_.num_blocks());
  return Ok();
}

Status FileWriter::FinishPlain() {
  const uint64_t tail = node_.size % kBlockSize;
  if (tail == 0) return Ok();
  if (!FitsInline(xattr_bytes_, tail)) return out_.PadToBlock();
  node_.layout = DataLayout::kInline;
  LOCKET_TRY_ASSIGN(node_.spool_offset, spool_.Append(out_.TakeTail()));
  return Ok();
}

}  // namespace locket::erofs
