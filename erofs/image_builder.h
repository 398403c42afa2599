// Makes an EROFS image from one tar stream, in one pass and without root. The same tar, UUID, lower
// directories and options give the same image.
//
// Data of files goes to the sink as it comes, in whole blocks. The last, incomplete block of each
// file waits in a spool file without a name until its inode is written. Names and attributes stay
// in memory and are written at the end. The life cycle is Create, AddTar once, Finish once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "erofs/block_sink.h"
#include "erofs/lower_directories.h"

namespace locket::erofs {

// Bounds on what one tar can make of itself. Beyond them: kResourceExhausted.
struct ImageLimits {
  uint64_t image_bytes = uint64_t{1} << 42;
  uint64_t inodes = uint64_t{4} << 20;
  uint64_t hole_bytes = uint64_t{16} << 30;     // of sparse files: little tar, much image
  uint64_t metadata_bytes = uint64_t{1} << 30;  // names, symlink targets, distinct xattrs: memory
};

struct ImageOptions {
  std::filesystem::path spool_directory;  // gets one unlinked file, at most as big as the input
  ImageLimits limits{};
  Compression compression = Compression::kNone;
};

// What Finish knows about the image it wrote.
struct ImageInfo {
  uint64_t size_bytes;
  uint64_t inodes;
  // Left out: those outside user, trusted, security and POSIX ACLs, which Linux does not have, and
  // overlayfs's own, which would steer the mount.
  uint64_t ignored_xattrs;
};

class ImageBuilder {
 public:
  // `sink` outlives the builder.
  static Result<ImageBuilder> Create(const ImageOptions& options, BlockSink& sink);

  ImageBuilder(ImageBuilder&&) noexcept;
  ~ImageBuilder();

  // Reads `tar` (v7, ustar, pax or GNU; not compressed) to its end, padding included.
  // kInvalidArgument: an entry is malformed or not for a layer; the message names it and says why.
  // kResourceExhausted: a limit is passed; the message names it. An error of `tar` is returned as
  // it is. After any error the builder must not be used, and what the sink has is no image.
  Status AddTar(PieceSource tar);

  // Writes metadata and superblock, after which the sink has the whole image. `lower` has the
  // directories of the layers below: a directory that the tar only implies gets its attributes from
  // there. If `lower` is null, such a directory has mode 0755, owner 0:0 and time 0.
  Result<ImageInfo> Finish(const std::array<std::byte, 16>& uuid,
                           const LowerDirectories* lower = nullptr);

 private:
  struct State;
  explicit ImageBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace locket::erofs
