// Extended attributes, each distinct set once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::erofs {

using XattrSet = std::map<std::string, std::string>;  // full name, "user.x", to value
using XattrId = uint32_t;
inline constexpr XattrId kNoXattrs = 0;

// Whether Linux has such a name at all; tars from elsewhere bring "com.apple.provenance" and such.
bool IsLinuxXattr(std::string_view name);

// Whether the name is overlayfs's own. Such an xattr of a tar would steer the overlay that the
// layer is mounted in: redirect it, hide what is below, take files for data-less copies.
bool IsOverlayXattr(std::string_view name);

// What a directory says that hides what lower layers have in it: the one xattr of overlayfs that an
// image may have, with this value.
inline constexpr std::string_view kOpaqueXattr = "trusted.overlay.opaque";
inline constexpr std::string_view kOpaqueValue = "y";

class XattrTable {
 public:
  // kInvalidArgument: a name over 255 or a value over 65535 bytes, or the set does not fit into an
  // inode. Every name must satisfy IsLinuxXattr.
  Result<XattrId> Add(const XattrSet& set);

  const XattrSet& Get(XattrId id) const { return *sets_[id]; }

  // What goes between inode and tail: empty, or header and entries. A multiple of 4 bytes long.
  std::string Encode(XattrId id) const;
  uint64_t EncodedSize(XattrId id) const { return sizes_[id]; }

  // Roughly what all sets together take.
  uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  std::map<XattrSet, XattrId> ids_{{XattrSet{}, kNoXattrs}};
  std::vector<const XattrSet*> sets_{&ids_.begin()->first};  // keys of a map stay where they are
  std::vector<uint64_t> sizes_{0};
  uint64_t memory_bytes_ = 0;
};

}  // namespace locket::erofs
