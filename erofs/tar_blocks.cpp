#include "erofs/tar_blocks.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/encoding.h"

namespace locket::erofs {
namespace {

Error CutShort() { return {ErrorCode::kInvalidArgument, "the tar ends in the middle of it"}; }

}  // namespace

Status TarBlocks::Fill() {
  while (piece_.empty() && !ended_) {
    auto piece = source_();
    if (!piece.ok()) {
      source_failed_ = true;
      ended_ = true;
      return std::move(piece).error();
    }
    piece_ = *piece;
    ended_ = piece_.empty();
  }
  return Ok();
}

Result<std::span<const std::byte>> TarBlocks::Take(uint64_t most) {
  LOCKET_TRY(Fill());
  const auto taken = piece_.first(std::min<uint64_t>(most, piece_.size()));
  piece_ = piece_.subspan(taken.size());
  return taken;
}

Result<bool> TarBlocks::ReadBlock(TarBlock& block) {
  for (size_t done = 0; done < block.size();) {
    LOCKET_TRY_ASSIGN(const auto part, Take(block.size() - done));
    if (part.empty() && done == 0) return false;
    if (part.empty()) return CutShort();
    std::memcpy(block.data() + done, part.data(), part.size());
    done += part.size();
  }
  return true;
}

Status TarBlocks::Append(uint64_t size, std::string& out) {
  while (size > 0) {
    LOCKET_TRY_ASSIGN(const auto part, Take(size));
    if (part.empty()) return CutShort();
    out.append(AsText(part));
    size -= part.size();
  }
  return Ok();
}

Status TarBlocks::Skip(uint64_t size) {
  while (size > 0) {
    LOCKET_TRY_ASSIGN(const auto part, Take(size));
    if (part.empty()) return CutShort();
    size -= part.size();
  }
  return Ok();
}

Status TarBlocks::SkipPadding(uint64_t size) {
  while (size > 0) {
    LOCKET_TRY_ASSIGN(const auto part, Take(size));
    if (part.empty()) return Ok();
    size -= part.size();
  }
  return Ok();
}

Status TarBlocks::Drain() {
  while (true) {
    LOCKET_TRY_ASSIGN(const auto part, Take(std::numeric_limits<uint64_t>::max()));
    if (part.empty()) return Ok();
  }
}

}  // namespace locket::erofs
