// One header block of a tar (v7, ustar, star, GNU), decoded as Go's archive/tar does, which
// containerd, Docker, Podman and umoci read layers with (docs/decisions/0025).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "erofs/tar_blocks.h"

namespace locket::erofs {

enum class TarFormat { kV7, kUstar, kStar, kGnu };

// The fields as the block states them; nothing of it is checked but that numbers are numbers.
struct TarHeader {
  TarFormat format;
  char type;
  std::string name;  // with the prefix, where the format has one
  std::string link;
  int64_t mode;
  int64_t uid;
  int64_t gid;
  int64_t size;
  int64_t mtime;
  int64_t major;
  int64_t minor;
};

bool IsZeroBlock(const TarBlock& block);

// The text in `size` bytes of the block from `at` on, up to its first zero byte.
std::string_view TarText(const TarBlock& block, size_t at, size_t size);

// The number in a field: octal digits among blanks and zero bytes, or binary (base 256, two's
// complement) if the field's top bit is set. A field of blanks is 0. Returns nothing if it is
// neither, or does not fit.
std::optional<int64_t> TarNumber(const TarBlock& block, size_t at, size_t size);

// kInvalidArgument: the checksum does not fit, or a numeric field holds no number; the message says
// which.
Result<TarHeader> DecodeTarHeader(const TarBlock& block);

}  // namespace locket::erofs
