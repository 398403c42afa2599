#include "erofs/ondisk.h"

#include <sys/stat.h>

#include <algorithm>
#include <cassert>

#include "base/encoding.h"
#include "base/endian.h"

namespace locket::erofs {
namespace {

constexpr size_t kDirentBytes = 12;
constexpr size_t kSuperblockAt = 1024;
constexpr size_t kChecksumAt = kSuperblockAt + 4;
constexpr uint32_t kMagic = 0xe0f5e1e2;
constexpr uint32_t kCompatChecksum = 1;
constexpr uint32_t kCompatMtime = 2;
constexpr uint8_t kBlockBits = 12;
constexpr size_t kIncompatibleAt = 80;  // from the superblock's beginning
constexpr char kLz4ZeroPadding = 1;     // EROFS_FEATURE_INCOMPAT_LZ4_0PADDING

template <size_t kBytes>
void Put(std::string& out, uint64_t value) {
  out += AsText(ToLittleEndian(value)).substr(0, kBytes);
}

// CRC-32C as the kernel's crc32c(~0, ...): without the final inversion.
uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return crc;
}

// FT_* of the kernel.
uint8_t FileType(uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 1;
    case S_IFDIR:
      return 2;
    case S_IFCHR:
      return 3;
    case S_IFBLK:
      return 4;
    case S_IFIFO:
      return 5;
    case S_IFSOCK:
      return 6;
    case S_IFLNK:
      return 7;
    default:
      return 0;
  }
}

void AppendDirectoryBlock(std::string& out, std::span<const DirectoryEntry> entries) {
  size_t name_at = entries.size() * kDirentBytes;
  for (const DirectoryEntry& entry : entries) {
    Put<8>(out, entry.nid);
    Put<2>(out, name_at);
    Put<1>(out, FileType(entry.mode));
    Put<1>(out, 0);
    name_at += entry.name.size();
  }
  for (const DirectoryEntry& entry : entries) out.append(entry.name);
}

}  // namespace

std::string EncodeInode(const InodeFields& fields) {
  std::string out;
  out.reserve(kInodeBytes);
  Put<2>(out, 1U | static_cast<unsigned>(fields.layout) << 1);
  Put<2>(out, fields.xattr_bytes == 0 ? 0 : (fields.xattr_bytes - 12) / 4 + 1);
  Put<2>(out, fields.mode);
  Put<2>(out, 0);
  Put<8>(out, fields.size);
  Put<4>(out, fields.block_or_rdev);
  Put<4>(out, fields.ino);
  Put<4>(out, fields.uid);
  Put<4>(out, fields.gid);
  Put<8>(out, static_cast<uint64_t>(fields.mtime));
  Put<4>(out, fields.mtime_nsec);
  Put<4>(out, fields.links);
  out.resize(kInodeBytes);
  return out;
}

uint64_t IndexOffset(uint64_t bytes) {
  // A header that says "LZ4, nothing special" by zeros, and as many bytes that nobody uses.
  return (bytes + 7) / 8 * 8 + 8 + 8;
}

std::string EncodeDirectory(std::span<const DirectoryEntry> entries) {
  std::string out;
  while (!entries.empty()) {
    size_t count = 0;
    for (size_t used = 0; count < entries.size(); ++count) {
      used += kDirentBytes + entries[count].name.size();
      if (used > kBlockSize) break;
    }
    out.resize((out.size() + kBlockSize - 1) / kBlockSize * kBlockSize);
    AppendDirectoryBlock(out, entries.first(count));
    entries = entries.subspan(count);
  }
  return out;
}

std::vector<std::byte> EncodeFirstBlock(const SuperblockFields& fields) {
  std::string out(kSuperblockAt, '\0');
  Put<4>(out, kMagic);
  Put<4>(out, 0);  // checksum
  Put<4>(out, kCompatChecksum | kCompatMtime);
  Put<1>(out, kBlockBits);
  Put<1>(out, 0);  // no extension slots
  Put<2>(out, fields.root_nid);
  Put<8>(out, fields.inodes);
  Put<8>(out, 0);  // build time
  Put<4>(out, 0);
  Put<4>(out, fields.blocks);
  Put<4>(out, fields.metadata_block);
  Put<4>(out, 0);  // no shared xattrs
  for (const std::byte byte : fields.uuid) out.push_back(static_cast<char>(byte));
  out.resize(kBlockSize);  // no name
  if (fields.compressed) out[kSuperblockAt + kIncompatibleAt] = kLz4ZeroPadding;
  std::string checksum;
  Put<4>(checksum, Crc32c(std::string_view(out).substr(kSuperblockAt)));
  out.replace(kChecksumAt, checksum.size(), checksum);
  const auto bytes = std::as_bytes(std::span(out.data(), out.size()));
  return {bytes.begin(), bytes.end()};
}

}  // namespace locket::erofs
