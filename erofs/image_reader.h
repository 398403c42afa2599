// Reads the images that ImageBuilder writes, without mounting them. What it is given may have been
// made by anybody: every place is checked to lie in the image, every size to fit it, before memory
// is taken; names of a directory ascend, so none stands twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {

// Fills `out` with the image's bytes from `offset` on.
using ReadAt = std::function<Status(uint64_t offset, std::span<std::byte> out)>;

struct Inode {
  uint64_t nid;   // two names with one nid are hard links
  uint16_t mode;  // type and permissions
  uint32_t uid;
  uint32_t gid;
  int64_t mtime;
  uint32_t mtime_nsec;
  uint32_t rdev;  // devices: as the kernel's new_encode_dev() has it
  uint32_t links;
  uint64_t size;  // regular files and symlinks: of the content
  // Where it lies in the image; for those who compare images. 0: nowhere but in the inode, or in
  // pieces here and there (compressed).
  uint64_t first_block;
  // For ImageReader alone.
  uint16_t layout;
  uint32_t xattr_bytes;
};

struct NamedNode {
  std::string name;
  uint64_t nid;

  bool operator==(const NamedNode&) const = default;
};

// A whiteout, as overlayfs has it: a character device 0:0.
bool IsWhiteout(const Inode& inode);
// What a directory says that hides what lower layers have in it.
bool IsOpaque(const XattrSet& xattrs);

class ImageReader {
 public:
  // kDataLoss: not such an image. `image_bytes` is how much can be read.
  static Result<ImageReader> Open(ReadAt read_at, uint64_t image_bytes);

  uint64_t root() const { return root_; }
  uint64_t image_bytes() const { return bytes_; }

  // All kDataLoss if the image is damaged.
  Result<Inode> Stat(uint64_t nid) const;
  // At least so much of the image the content of a regular file takes, unless it shares it.
  static uint64_t StoredBytes(const Inode& file);
  Result<XattrSet> Xattrs(const Inode& inode) const;
  // Without "." and "..", names ascending.
  Result<std::vector<NamedNode>> List(const Inode& directory) const;
  Result<std::string> Target(const Inode& symlink) const;
  // A regular file's content in order. An error of `piece` is passed on.
  Status Read(const Inode& file,
              const std::function<Status(std::span<const std::byte>)>& piece) const;

 private:
  ImageReader(ReadAt read_at, uint64_t bytes) : read_at_(std::move(read_at)), bytes_(bytes) {}

  Status ReadChecked(uint64_t offset, std::span<std::byte> out) const;
  uint64_t AddressOf(uint64_t nid) const;
  // The content of any inode that has one, whose size was found to fit the image.
  Status Content(const Inode& inode,
                 const std::function<Status(std::span<const std::byte>)>& piece) const;

  ReadAt read_at_;
  uint64_t bytes_;
  uint64_t metadata_ = 0;  // where node number 0 would be
  uint64_t root_ = 0;
};

}  // namespace locket::erofs
