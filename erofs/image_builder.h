// An EROFS image from one tar stream, in one pass, without root: file data goes straight to the
// sink, what is left over of files shorter than their last block waits in an unlinked spool file,
// the metadata follows at the end. Same tar and UUID, same image.
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

  // Reads `tar` (v7, ustar, pax, GNU; not compressed) to its end, padding included. Once only.
  // kInvalidArgument: what is wrong with which entry. kResourceExhausted: which limit. Errors of
  // `tar` are passed on. After an error the builder and what the sink got are of no use.
  Status AddTar(PieceSource tar);

  // Writes metadata and superblock. `lower` says what directories the layers below have; null if
  // they are not known, and then a directory that the tar does not name has mode 0755, owner 0:0
  // and time 0.
  Result<ImageInfo> Finish(const std::array<std::byte, 16>& uuid,
                           const LowerDirectories* lower = nullptr);

 private:
  struct State;
  explicit ImageBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace locket::erofs
