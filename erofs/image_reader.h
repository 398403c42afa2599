// Reads the images that ImageBuilder writes, without mounting them.
//
// The image may come from anybody. Every offset is checked to lie in the image, and every size to
// fit into it, before memory is allocated. Names of a directory have to ascend, so none is there
// twice. Anything else is kDataLoss.
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

// Fills `out` with the bytes of the image from `offset` on, or returns an error.
using ReadAt = std::function<Status(uint64_t offset, std::span<std::byte> out)>;

// The attributes of a file. Valid for the reader that returned it.
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
  // The first block of the content, for programs that compare images. 0: the content is in the
  // inode alone, or compressed and so in several places.
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

// Returns whether the file is a whiteout as overlayfs has it: a character device 0:0.
bool IsWhiteout(const Inode& inode);
// Returns whether a directory with these xattrs hides the content that lower layers have in it.
bool IsOpaque(const XattrSet& xattrs);

// A const object may be used by several threads if `read_at` may. Files are found from the root
// down: List a directory, Stat a node of it, then Target, Read or List again.
class ImageReader {
 public:
  // Opens the image, of which `image_bytes` can be read. kDataLoss: it is not such an image.
  static Result<ImageReader> Open(ReadAt read_at, uint64_t image_bytes);

  uint64_t root() const { return root_; }
  uint64_t image_bytes() const { return bytes_; }

  // Each returns kDataLoss if the image is damaged, and errors of `read_at` as they are.
  Result<Inode> Stat(uint64_t nid) const;
  // Returns how many bytes of the image the content of a regular file takes at least, unless files
  // share it.
  static uint64_t StoredBytes(const Inode& file);
  Result<XattrSet> Xattrs(const Inode& inode) const;
  // Returns the entries of a directory without "." and "..", in ascending order of their names.
  Result<std::vector<NamedNode>> List(const Inode& directory) const;
  Result<std::string> Target(const Inode& symlink) const;
  // Gives the content of a regular file to `piece`, in order. An error of `piece` is returned.
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
