#include "erofs/block_writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <string>

#include "base/file.h"
#include "base/nameless_file.h"

namespace locket::erofs {
namespace {

constexpr size_t kPiece = 1U << 20;

}  // namespace

Status BlockWriter::CheckRoom(uint64_t bytes) const {
  if (position() <= max_bytes_ && bytes <= max_bytes_ - position()) return Ok();
  return Error(ErrorCode::kResourceExhausted,
               "the image would be larger than " + std::to_string(max_bytes_) + " bytes");
}

Status BlockWriter::Append(std::span<const std::byte> bytes) {
  LOCKET_TRY(CheckRoom(bytes.size()));
  while (!bytes.empty()) {
    const size_t part = std::min(bytes.size(), kPiece - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (buffer_.size() == kPiece) LOCKET_TRY(FlushWholeBlocks());
  }
  return Ok();
}

Status BlockWriter::AppendZeros(uint64_t bytes) {
  LOCKET_TRY(CheckRoom(bytes));
  static constexpr std::array<std::byte, 16 * kBlockSize> kZeros{};
  while (bytes > 0) {
    const size_t part = std::min<uint64_t>(bytes, kZeros.size());
    LOCKET_TRY(Append(std::span(kZeros).first(part)));
    bytes -= part;
  }
  return Ok();
}

std::vector<std::byte> BlockWriter::TakeTail() {
  const auto from = buffer_.end() - static_cast<ptrdiff_t>(buffer_.size() % kBlockSize);
  std::vector<std::byte> tail(from, buffer_.end());
  buffer_.erase(from, buffer_.end());
  return tail;
}

Status BlockWriter::FlushWholeBlocks() {
  const size_t whole = buffer_.size() / kBlockSize * kBlockSize;
  if (whole == 0) return Ok();
  LOCKET_TRY(sink_.Write(flushed_ / kBlockSize, std::span(buffer_).first(whole)));
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(whole));
  flushed_ += whole;
  return Ok();
}

Status BlockWriter::Flush() {
  assert(buffer_.size() % kBlockSize == 0);
  return FlushWholeBlocks();
}

Result<Spool> Spool::Create(const std::filesystem::path& directory) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, OpenNamelessFile(directory));
  return Spool(std::move(fd), directory);
}

Result<uint64_t> Spool::Append(std::span<const std::byte> bytes) {
  const uint64_t offset = flushed_ + buffer_.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kPiece) LOCKET_TRY(Flush());
  return offset;
}

Status Spool::Flush() {
  LOCKET_TRY(WriteFull(fd_.get(), buffer_).While("spool file in '" + directory_.string() + "'"));
  flushed_ += buffer_.size();
  buffer_.clear();
  return Ok();
}

Status Spool::Read(uint64_t offset, std::span<std::byte> out) const {
  return PreadFull(fd_.get(), out, offset).While("spool file in '" + directory_.string() + "'");
}

}  // namespace locket::erofs
