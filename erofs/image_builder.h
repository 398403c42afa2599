// Makes an EROFS image from one tar stream, in one pass and without root. The same tar, UUID, lower
// directories and options give the same image.
//
// Data of files goes to the sink as it comes, in whole blocks. The last, incomplete block of each
// file waits in a spool file without a name until its inode is written. Names and attributes stay
// in memory and are written at the end.
//
//   LOCKET_TRY_ASSIGN(auto builder, ImageBuilder::Create({.spool_directory = directory}, sink));
//   LOCKET_TRY(builder.AddTar(tar));                                // once
//   LOCKET_TRY_ASSIGN(const ImageInfo info, builder.Finish(uuid));  // once
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
  uint64_t image_bytes = uint64_t{1} << 42;  // a larger value counts as this one
  uint64_t inodes = uint64_t{4} << 20;
  uint64_t hole_bytes = uint64_t{16} << 30;     // of sparse files: little tar, much image
  uint64_t metadata_bytes = uint64_t{1} << 30;  // names, symlink targets, distinct xattrs: memory
};

struct ImageOptions {
  std::filesystem::path spool_directory;  // gets one unlinked file, at most as big as the input
  ImageLimits limits{};
  Compression compression = Compression::kNone;
};

// The image that Finish wrote.
struct ImageInfo {
  uint64_t size_bytes;  // whole blocks
  uint64_t inodes;
  // How many extended attributes of the tar the image does not have. Two kinds are left out: those
  // that Linux does not have, because they are neither user, trusted, security nor POSIX ACLs; and
  // overlayfs's own, which would steer the mount.
  uint64_t ignored_xattrs;
};

// For one thread at a time; that thread also calls the sink and the tar's source. An error of the
// sink, the tar's source or the spool file ends the call and keeps its code. After any error of
// AddTar or Finish the builder must not be used, and what the sink has is no image.
class ImageBuilder {
 public:
  // Makes the spool file. `sink` outlives the builder.
  static Result<ImageBuilder> Create(const ImageOptions& options, BlockSink& sink);

  ImageBuilder(ImageBuilder&&) noexcept;
  ~ImageBuilder();

  // Reads `tar` (v7, ustar, pax or GNU; not compressed) to its end, padding included.
  // kInvalidArgument: an entry is malformed or not for a layer; the message names the entry and
  // says why. kResourceExhausted: a limit of ImageLimits is passed; the message says which.
  Status AddTar(PieceSource tar);

  // Writes metadata and superblock, after which the sink has the whole image. `lower` has the
  // directories of the layers below, and is read during the call only. A directory that the tar
  // only implies gets its attributes from there; if `lower` does not have it or is null, the
  // directory has mode 0755, owner 0:0 and time 0. kResourceExhausted: a limit of ImageLimits is
  // passed.
  Result<ImageInfo> Finish(const std::array<std::byte, 16>& uuid,
                           const LowerDirectories* lower = nullptr);

 private:
  struct State;
  explicit ImageBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace locket::erofs
