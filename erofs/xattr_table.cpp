#include "erofs/xattr_table.h"

#include <array>
#include <optional>

#include "base/encoding.h"
#include "base/endian.h"

namespace locket::erofs {
namespace {

constexpr size_t kMaxNameBytes = 255;     // XATTR_NAME_MAX
constexpr size_t kMaxValueBytes = 65535;  // a 16-bit field
constexpr size_t kHeaderBytes = 12;
// i_xattr_icount is a 16-bit count of 4-byte units, the header counting as one.
constexpr size_t kMaxEntriesBytes = (65535 - 1) * 4;
// What libstdc++'s maps, strings and their allocations take besides the bytes in them.
constexpr size_t kSetMemory = 128;
constexpr size_t kXattrMemory = 128;

struct Prefix {
  std::string_view text;
  uint8_t index;
  bool is_whole_name;
};
constexpr std::array kPrefixes = {Prefix{"user.", 1, false},
                                  Prefix{"system.posix_acl_access", 2, true},
                                  Prefix{"system.posix_acl_default", 3, true},
                                  Prefix{"trusted.", 4, false}, Prefix{"security.", 6, false}};

struct SplitName {
  uint8_t index;
  std::string_view rest;
};

std::optional<SplitName> Split(std::string_view name) {
  for (const Prefix& prefix : kPrefixes) {
    if (!name.starts_with(prefix.text)) continue;
    const std::string_view rest = name.substr(prefix.text.size());
    if (rest.empty() == prefix.is_whole_name) return SplitName{prefix.index, rest};
  }
  return std::nullopt;
}

size_t EntrySize(size_t name, size_t value) { return (4 + name + value + 3) / 4 * 4; }

}  // namespace

bool IsLinuxXattr(std::string_view name) { return Split(name).has_value(); }

bool IsOverlayXattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

Result<XattrId> XattrTable::Add(const XattrSet& set) {
  size_t entries = 0;
  size_t memory = kSetMemory;
  for (const auto& [name, value] : set) {
    if (name.size() > kMaxNameBytes) {
      return Error(ErrorCode::kInvalidArgument, "the name of an xattr is longer than 255 bytes");
    }
    if (value.size() > kMaxValueBytes) {
      return Error(ErrorCode::kInvalidArgument, "xattr '" + name + "' is longer than 65535 bytes");
    }
    entries += EntrySize(Split(name)->rest.size(), value.size());
    memory += kXattrMemory + name.size() + value.size();
  }
  if (entries > kMaxEntriesBytes) {
    return Error(ErrorCode::kInvalidArgument, "its xattrs together are longer than 262136 bytes");
  }
  const auto [at, is_new] = ids_.emplace(set, static_cast<XattrId>(sets_.size()));
  if (is_new) {
    sets_.push_back(&at->first);
    sizes_.push_back(kHeaderBytes + entries);
    memory_bytes_ += memory;
  }
  return at->second;
}

std::string XattrTable::Encode(XattrId id) const {
  if (id == kNoXattrs) return {};
  std::string bytes(kHeaderBytes, '\0');  // no filter, no shared attributes
  for (const auto& [name, value] : Get(id)) {
    const SplitName split = *Split(name);
    bytes.push_back(static_cast<char>(split.rest.size()));
    bytes.push_back(static_cast<char>(split.index));
    bytes += AsText(ToLittleEndian(static_cast<uint16_t>(value.size())));
    bytes.append(split.rest).append(value);
    bytes.resize((bytes.size() + 3) / 4 * 4);
  }
  return bytes;
}

}  // namespace locket::erofs
