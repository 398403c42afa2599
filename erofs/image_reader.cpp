#include "erofs/image_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"
#include "base/endian.h"
#include "erofs/lz4_packer.h"
#include "erofs/lz4_reader.h"
#include "erofs/ondisk.h"
#include "erofs/tar_reader.h"

namespace locket::erofs {
namespace {

constexpr uint64_t kSuperblockAt = 1024;
constexpr size_t kSuperblockBytes = 128;
constexpr uint32_t kMagic = 0xe0f5e1e2;
constexpr uint8_t kBlockBits = 12;
constexpr size_t kDirentBytes = 12;
constexpr size_t kXattrHeaderBytes = 12;
constexpr size_t kXattrEntryBytes = 4;
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTargetBytes = 4096;  // PATH_MAX
constexpr size_t kPieceBytes = 1U << 20;
// ImageBuilder's limits allow less; directories may share their blocks, so the image's size is no
// bound for what List takes.
constexpr uint64_t kMaxDirectoryBytes = uint64_t{1} << 30;
constexpr uint32_t kLz4ZeroPadding = 1;  // EROFS_FEATURE_INCOMPAT_LZ4_0PADDING

Error Damaged(const std::string& why) { return {ErrorCode::kDataLoss, "EROFS image: " + why}; }

std::string NodeName(uint64_t nid) { return "node " + std::to_string(nid); }

template <typename T>
T Get(std::span<const std::byte> bytes, size_t at) {
  return FromLittleEndian<T>(bytes.subspan(at));
}

// i_xattr_icount counts 4-byte units, the header as one.
uint32_t XattrBytes(uint32_t count) {
  return count == 0 ? 0 : static_cast<uint32_t>(kXattrHeaderBytes) + (count - 1) * 4;
}

bool IsGoodName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

std::string_view PrefixOf(uint8_t index) {
  switch (index) {
    case 1:
      return "user.";
    case 2:
      return "system.posix_acl_access";
    case 3:
      return "system.posix_acl_default";
    case 4:
      return "trusted.";
    case 6:
      return "security.";
    default:
      return {};
  }
}

// The entries of one block of a directory, appended to `found`.
Status ReadDirectoryBlock(std::span<const std::byte> block, std::vector<NamedNode>& found) {
  if (block.size() < kDirentBytes) return Damaged("a directory is cut short");
  const size_t names_at = Get<uint16_t>(block, 8);
  const size_t count = names_at / kDirentBytes;
  if (count == 0 || names_at % kDirentBytes != 0 || names_at > block.size()) {
    return Damaged("a directory's first name is in an impossible place");
  }
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = Get<uint16_t>(block, i * kDirentBytes + 8);
    const bool last = i + 1 == count;
    const size_t end = last ? block.size() : Get<uint16_t>(block, (i + 1) * kDirentBytes + 8);
    if (begin < names_at || end < begin || end > block.size()) {
      return Damaged("a directory's names overlap");
    }
    std::string_view name = AsText(block.subspan(begin, end - begin));
    if (last) name = name.substr(0, name.find('\0'));
    if (!IsGoodName(name)) return Damaged("a directory has the name " + QuotedName(name));
    found.push_back({.name = std::string(name), .nid = Get<uint64_t>(block, i * kDirentBytes)});
  }
  return Ok();
}

}  // namespace

bool IsWhiteout(const Inode& inode) { return S_ISCHR(inode.mode) && inode.rdev == 0; }

bool IsOpaque(const XattrSet& xattrs) { return xattrs.contains(std::string(kOpaqueXattr)); }

Result<ImageReader> ImageReader::Open(ReadAt read_at, uint64_t image_bytes) {
  ImageReader reader(std::move(read_at), image_bytes);
  std::array<std::byte, kSuperblockBytes> super{};
  LOCKET_TRY(reader.ReadChecked(kSuperblockAt, super));
  if (Get<uint32_t>(super, 0) != kMagic) return Damaged("no superblock");
  if (Get<uint8_t>(super, 12) != kBlockBits) return Damaged("its blocks are not 4096 bytes");
  const auto incompatible = Get<uint32_t>(super, 80);
  if ((incompatible & ~kLz4ZeroPadding) != 0) {
    return Damaged("it has features this reader lacks (" + std::to_string(incompatible) + ")");
  }
  const uint64_t blocks = Get<uint32_t>(super, 36);
  if (blocks * kBlockSize > image_bytes) return Damaged("it is cut short");
  reader.bytes_ = blocks * kBlockSize;
  reader.metadata_ = Get<uint32_t>(super, 40) * kBlockSize;
  reader.root_ = Get<uint16_t>(super, 14);
  LOCKET_TRY_ASSIGN(const Inode root, reader.Stat(reader.root_));
  if (!S_ISDIR(root.mode)) return Damaged("its root is no directory");
  return reader;
}

Status ImageReader::ReadChecked(uint64_t offset, std::span<std::byte> out) const {
  if (offset > bytes_ || out.size() > bytes_ - offset) {
    return Damaged("something lies beyond its end");
  }
  return read_at_(offset, out);
}

uint64_t ImageReader::AddressOf(uint64_t nid) const { return metadata_ + nid * kSlotBytes; }

Result<Inode> ImageReader::Stat(uint64_t nid) const {
  if (nid > bytes_ / kSlotBytes) return Damaged(NodeName(nid) + " lies beyond its end");
  std::array<std::byte, kInodeBytes> raw{};
  LOCKET_TRY(ReadChecked(AddressOf(nid), raw).While(NodeName(nid)));
  const auto format = Get<uint16_t>(raw, 0);
  const auto layout = static_cast<uint16_t>(format >> 1);
  const bool compressed = layout == static_cast<uint16_t>(DataLayout::kCompressed);
  const bool known = layout == static_cast<uint16_t>(DataLayout::kPlain) ||
                     layout == static_cast<uint16_t>(DataLayout::kInline) || compressed;
  if ((format & 1) == 0 || !known) {
    return Damaged(NodeName(nid) + " has format " + std::to_string(format));
  }
  Inode inode{.nid = nid,
              .mode = Get<uint16_t>(raw, 4),
              .uid = Get<uint32_t>(raw, 24),
              .gid = Get<uint32_t>(raw, 28),
              .mtime = static_cast<int64_t>(Get<uint64_t>(raw, 32)),
              .mtime_nsec = Get<uint32_t>(raw, 40),
              .rdev = 0,
              .links = Get<uint32_t>(raw, 44),
              .size = Get<uint64_t>(raw, 8),
              .first_block = 0,
              .layout = layout,
              .xattr_bytes = XattrBytes(Get<uint16_t>(raw, 2))};
  const auto place = Get<uint32_t>(raw, 16);
  if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode)) {
    inode.rdev = place;
  } else if (!compressed) {
    inode.first_block = place;
  }
  if (compressed && !S_ISREG(inode.mode)) {
    return Damaged(NodeName(nid) + " is compressed and no regular file");
  }
  const uint64_t most = compressed ? bytes_ / kBlockSize * Lz4Packer::kMaxPiece : bytes_;
  if (inode.size > most) return Damaged(NodeName(nid) + " is larger than the image");
  return inode;
}

uint64_t ImageReader::StoredBytes(const Inode& file) {
  const bool compressed = file.layout == static_cast<uint16_t>(DataLayout::kCompressed);
  return compressed ? file.size / (Lz4Packer::kMaxPiece / kBlockSize) : file.size;
}

Result<XattrSet> ImageReader::Xattrs(const Inode& inode) const {
  XattrSet set;
  if (inode.xattr_bytes == 0) return set;
  std::vector<std::byte> raw(inode.xattr_bytes);
  LOCKET_TRY(ReadChecked(AddressOf(inode.nid) + kInodeBytes, raw).While(NodeName(inode.nid)));
  if (Get<uint8_t>(raw, 4) != 0) return Damaged(NodeName(inode.nid) + " has shared xattrs");
  for (size_t at = kXattrHeaderBytes; at < raw.size();) {
    const auto rest = std::span(raw).subspan(at);
    if (rest.size() < kXattrEntryBytes) return Damaged("an xattr is cut short");
    const size_t name_size = Get<uint8_t>(rest, 0);
    const size_t value_size = Get<uint16_t>(rest, 2);
    const std::string_view prefix = PrefixOf(Get<uint8_t>(rest, 1));
    if (prefix.empty()) return Damaged("an xattr has an unknown prefix");
    if (rest.size() < kXattrEntryBytes + name_size + value_size) {
      return Damaged("an xattr is cut short");
    }
    std::string name(prefix);
    name.append(AsText(rest.subspan(kXattrEntryBytes, name_size)));
    if (name.find('\0') != name.npos) return Damaged("an xattr's name holds a zero byte");
    const auto value = AsText(rest.subspan(kXattrEntryBytes + name_size, value_size));
    if (IsOverlayXattr(name) &&
        !(name == kOpaqueXattr && value == kOpaqueValue && S_ISDIR(inode.mode))) {
      return Damaged("xattr " + QuotedName(name) + " would steer overlayfs");
    }
    if (!set.emplace(std::move(name), value).second) return Damaged("an xattr stands twice");
    at += (kXattrEntryBytes + name_size + value_size + 3) / 4 * 4;
  }
  return set;
}

Status ImageReader::Content(const Inode& inode,
                            const std::function<Status(std::span<const std::byte>)>& piece) const {
  const bool is_inline = inode.layout == static_cast<uint16_t>(DataLayout::kInline);
  const uint64_t tail = is_inline ? inode.size % kBlockSize : 0;
  std::vector<std::byte> buffer(std::min<uint64_t>(kPieceBytes, inode.size));
  const uint64_t start = inode.first_block * kBlockSize;
  for (uint64_t done = 0; done < inode.size - tail;) {
    const auto part =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), inode.size - tail - done));
    LOCKET_TRY(ReadChecked(start + done, part).While(NodeName(inode.nid)));
    LOCKET_TRY(piece(part));
    done += part.size();
  }
  if (tail == 0) return Ok();
  const auto part = std::span(buffer).first(tail);
  const uint64_t at = AddressOf(inode.nid) + kInodeBytes + inode.xattr_bytes;
  LOCKET_TRY(ReadChecked(at, part).While(NodeName(inode.nid)));
  return piece(part);
}

Result<std::vector<NamedNode>> ImageReader::List(const Inode& directory) const {
  if (!S_ISDIR(directory.mode)) return Damaged(NodeName(directory.nid) + " is no directory");
  if (directory.size > kMaxDirectoryBytes) {
    return Damaged(NodeName(directory.nid) + " is a directory of more than 1 GiB");
  }
  std::vector<NamedNode> found;
  // Pieces are whole blocks but for the last.
  const auto read = [&](std::span<const std::byte> piece) {
    Status good = Ok();
    for (size_t at = 0; good.ok() && at < piece.size(); at += kBlockSize) {
      const auto block = piece.subspan(at, std::min<size_t>(kBlockSize, piece.size() - at));
      good = ReadDirectoryBlock(block, found);
    }
    return good;
  };
  LOCKET_TRY(Content(directory, read));
  for (size_t i = 1; i < found.size(); ++i) {
    if (found[i - 1].name < found[i].name) continue;
    return Damaged("the names of a directory do not ascend at " + QuotedName(found[i].name));
  }
  std::erase_if(found, [](const auto& entry) { return entry.name == "." || entry.name == ".."; });
  return found;
}

Result<std::string> ImageReader::Target(const Inode& symlink) const {
  if (!S_ISLNK(symlink.mode)) return Damaged(NodeName(symlink.nid) + " is no symlink");
  if (symlink.size > kMaxTargetBytes) return Damaged("a symlink's target is too long");
  std::string target;
  LOCKET_TRY(Content(symlink, [&](std::span<const std::byte> piece) {
    target.append(AsText(piece));
    return Ok();
  }));
  if (target.find('\0') != target.npos) return Damaged("a symlink's target holds a zero byte");
  return target;
}

Status ImageReader::Read(const Inode& file,
                         const std::function<Status(std::span<const std::byte>)>& piece) const {
  if (!S_ISREG(file.mode)) return Damaged(NodeName(file.nid) + " is no regular file");
  if (file.layout != static_cast<uint16_t>(DataLayout::kCompressed)) return Content(file, piece);
  const uint64_t index_at = AddressOf(file.nid) + IndexOffset(kInodeBytes + file.xattr_bytes);
  const auto read_at = [&](uint64_t offset, std::span<std::byte> out) {
    return ReadChecked(offset, out);
  };
  return ReadLz4File({.size = file.size, .index_at = index_at}, read_at, piece);
}

}  // namespace locket::erofs
