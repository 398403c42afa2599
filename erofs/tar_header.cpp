#include "erofs/tar_header.h"

#include <algorithm>
#include <charconv>

namespace locket::erofs {
namespace {

// tar(5): where each field lies, and how long it is.
struct Field {
  size_t at;
  size_t size;
  const char* name;
};
constexpr Field kName{0, 100, "name"};
constexpr Field kMode{100, 8, "mode"};
constexpr Field kUid{108, 8, "uid"};
constexpr Field kGid{116, 8, "gid"};
constexpr Field kSize{124, 12, "size"};
constexpr Field kMtime{136, 12, "modification time"};
constexpr Field kChecksum{148, 8, "checksum"};
constexpr size_t kTypeAt = 156;
constexpr Field kLink{157, 100, "link name"};
constexpr size_t kMagicAt = 257;
constexpr std::string_view kUstarMagic("ustar\0", 6);
constexpr std::string_view kGnuMagic("ustar  \0", 8);
constexpr Field kMajor{329, 8, "device number"};
constexpr Field kMinor{337, 8, "device number"};
constexpr Field kPrefix{345, 155, "prefix"};
constexpr Field kStarPrefix{345, 131, "prefix"};
constexpr Field kStarTrailer{508, 4, "trailer"};
constexpr Field kStarAccessTime{476, 12, "access time"};
constexpr Field kStarChangeTime{488, 12, "change time"};
constexpr Field kGnuAccessTime{345, 12, "access time"};
constexpr Field kGnuChangeTime{357, 12, "change time"};

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string_view Raw(const TarBlock& block, const Field& field) {
  return {block.data() + field.at, field.size};
}

// Some old tars have added up signed characters.
bool ChecksumFits(const TarBlock& block) {
  const auto stated = TarNumber(block, kChecksum.at, kChecksum.size);
  if (!stated) return false;
  int64_t sum = 0;
  int64_t signed_sum = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.size;
    const char c = own ? ' ' : block[i];
    sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  return *stated == sum || *stated == signed_sum;
}

TarFormat FormatOf(const TarBlock& block) {
  const std::string_view magic(block.data() + kMagicAt, kGnuMagic.size());
  if (magic == kGnuMagic) return TarFormat::kGnu;
  if (!magic.starts_with(kUstarMagic)) return TarFormat::kV7;
  const bool star = Raw(block, kStarTrailer) == std::string_view("tar\0", 4);
  return star ? TarFormat::kStar : TarFormat::kUstar;
}

// GNU's format has times where ustar has the prefix. Go before 1.8 wrote a prefix there all the
// same (golang.org/issue/12594), and images of that time are still around.
std::string_view GnuPrefix(const TarBlock& block) {
  for (const Field& time : {kGnuAccessTime, kGnuChangeTime}) {
    if (block[time.at] == '\0' || TarNumber(block, time.at, time.size)) continue;
    const auto prefix = TarText(block, kPrefix.at, kPrefix.size);
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    return std::ranges::all_of(prefix, is_ascii) ? prefix : std::string_view();
  }
  return {};
}

std::string_view PrefixOf(const TarBlock& block, TarFormat format) {
  switch (format) {
    case TarFormat::kV7:
      return {};
    case TarFormat::kUstar:
      return TarText(block, kPrefix.at, kPrefix.size);
    case TarFormat::kStar:
      return TarText(block, kStarPrefix.at, kStarPrefix.size);
    case TarFormat::kGnu:
      return GnuPrefix(block);
  }
  return {};
}

// Two's complement, the first byte's top bit being the mark of the encoding.
std::optional<int64_t> BinaryNumber(std::string_view field) {
  const bool negative = (static_cast<unsigned char>(field[0]) & 0x40U) != 0;
  const unsigned char invert = negative ? 0xff : 0;
  uint64_t value = 0;
  for (size_t i = 0; i < field.size(); ++i) {
    auto byte = static_cast<unsigned char>(static_cast<unsigned char>(field[i]) ^ invert);
    if (i == 0) byte &= 0x7fU;
    if (value >> 56U != 0) return std::nullopt;
    value = value << 8U | byte;
  }
  if (value >> 63U != 0) return std::nullopt;
  return negative ? ~static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

}  // namespace

bool IsZeroBlock(const TarBlock& block) {
  return std::ranges::all_of(block, [](char c) { return c == '\0'; });
}

std::string_view TarText(const TarBlock& block, size_t at, size_t size) {
  const std::string_view field(block.data() + at, size);
  return field.substr(0, field.find('\0'));
}

std::optional<int64_t> TarNumber(const TarBlock& block, size_t at, size_t size) {
  std::string_view text(block.data() + at, size);
  if ((static_cast<unsigned char>(text[0]) & 0x80U) != 0) return BinaryNumber(text);
  constexpr std::string_view kFiller(" \0", 2);
  const size_t begin = text.find_first_not_of(kFiller);
  if (begin == text.npos) return 0;
  text = text.substr(begin, text.find_last_not_of(kFiller) + 1 - begin);
  text = text.substr(0, text.find('\0'));
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<int64_t>(value);  // at most 12 digits of 3 bits
}

Result<TarHeader> DecodeTarHeader(const TarBlock& block) {
  if (!ChecksumFits(block)) return Invalid("it is not a tar header: its checksum does not fit");
  TarHeader header{.format = FormatOf(block),
                   .type = block[kTypeAt],
                   .name = std::string(TarText(block, kName.at, kName.size)),
                   .link = std::string(TarText(block, kLink.at, kLink.size)),
                   .mode = 0,
                   .uid = 0,
                   .gid = 0,
                   .size = 0,
                   .mtime = 0,
                   .major = 0,
                   .minor = 0};
  const auto read = [&](const Field& field, int64_t& into) -> Status {
    const auto number = TarNumber(block, field.at, field.size);
    if (!number) return Invalid(std::string("its ") + field.name + " is malformed");
    into = *number;
    return Ok();
  };
  LOCKET_TRY(read(kMode, header.mode));
  LOCKET_TRY(read(kUid, header.uid));
  LOCKET_TRY(read(kGid, header.gid));
  LOCKET_TRY(read(kSize, header.size));
  LOCKET_TRY(read(kMtime, header.mtime));
  if (header.format != TarFormat::kV7) {
    LOCKET_TRY(read(kMajor, header.major));
    LOCKET_TRY(read(kMinor, header.minor));
  }
  if (header.format == TarFormat::kStar) {  // of no use here, but Go reads them
    int64_t unused = 0;
    LOCKET_TRY(read(kStarAccessTime, unused));
    LOCKET_TRY(read(kStarChangeTime, unused));
  }
  const auto prefix = PrefixOf(block, header.format);
  if (!prefix.empty()) header.name = std::string(prefix) + "/" + header.name;
  return header;
}

}  // namespace locket::erofs
