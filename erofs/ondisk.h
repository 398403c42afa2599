// The bytes of EROFS structures (Linux, fs/erofs/erofs_fs.h), little-endian by arithmetic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "erofs/block_sink.h"

namespace locket::erofs {

inline constexpr uint64_t kInodeBytes = 64;  // always the extended form
inline constexpr uint64_t kSlotBytes = 32;   // node numbers count these

enum class DataLayout : uint8_t { kPlain = 0, kCompressed = 1, kInline = 2 };

struct InodeFields {
  DataLayout layout;
  uint64_t xattr_bytes;  // header included
  uint16_t mode;
  uint64_t size;
  uint32_t block_or_rdev;  // if compressed: the number of blocks
  uint32_t ino;
  uint32_t uid;
  uint32_t gid;
  int64_t mtime;
  uint32_t mtime_nsec;
  uint32_t links;
};
std::string EncodeInode(const InodeFields& fields);

// An inode of `bytes` (xattrs included) whose data is compressed has its index, of 8 bytes for each
// 4096 of the file, this far from its beginning.
uint64_t IndexOffset(uint64_t bytes);

struct DirectoryEntry {
  std::string_view name;
  uint64_t nid;
  uint16_t mode;
};
// `entries` in order of names as unsigned bytes, "." and ".." among them. Whole blocks but for the
// last, which ends with its last name.
std::string EncodeDirectory(std::span<const DirectoryEntry> entries);

struct SuperblockFields {
  uint16_t root_nid;
  uint64_t inodes;
  uint32_t blocks;
  uint32_t metadata_block;
  bool compressed;  // some file is
  std::array<std::byte, 16> uuid;
};
// Block 0.
std::vector<std::byte> EncodeFirstBlock(const SuperblockFields& fields);

}  // namespace locket::erofs
