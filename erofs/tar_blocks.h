// A tar as a stream of bytes that comes in pieces: whole blocks for headers, spans for data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "erofs/block_sink.h"

namespace locket::erofs {

inline constexpr size_t kTarBlockBytes = 512;
using TarBlock = std::array<char, kTarBlockBytes>;

class TarBlocks {
 public:
  explicit TarBlocks(PieceSource source) : source_(std::move(source)) {}

  // Fills `block` with the next 512 bytes. Returns false if the stream ended before the first of
  // them. kInvalidArgument: it ends among them. Errors of the source are passed on.
  Result<bool> ReadBlock(TarBlock& block);

  // Returns the next bytes, at least one and at most `most`; empty at the end of the stream. The
  // span is valid until the next call.
  Result<std::span<const std::byte>> Take(uint64_t most);

  // Appends the next `size` bytes to `out`, whose room the caller has bounded. kInvalidArgument:
  // the stream ends before.
  Status Append(uint64_t size, std::string& out);

  // Passes over `size` bytes. kInvalidArgument: the stream ends before.
  Status Skip(uint64_t size);

  // As Skip, but the stream may end: tars are found whose last file is not filled up to a block.
  Status SkipPadding(uint64_t size);

  // Takes everything that is left.
  Status Drain();

  // Whether an error came from the source, not from what the stream holds.
  bool source_failed() const { return source_failed_; }

 private:
  // Makes sure that `piece_` holds something, unless the stream has ended.
  Status Fill();

  PieceSource source_;
  std::span<const std::byte> piece_{};
  bool ended_ = false;
  bool source_failed_ = false;
};

}  // namespace locket::erofs
