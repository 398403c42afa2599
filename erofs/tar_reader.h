// A layer's tar, entry by entry: v7, ustar, star, pax and GNU, with their long names and sparse
// files. Where tar programs read one tar differently, this reads it as Go's archive/tar does, which
// containerd, Docker, Podman and umoci read layers with (docs/decisions/0025).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "erofs/block_sink.h"
#include "erofs/pax_records.h"
#include "erofs/sparse_map.h"
#include "erofs/tar_blocks.h"
#include "erofs/tar_header.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {

// Strings as the tar has them, not yet checked, except that numbers fit.
struct TarEntry {
  std::string path;
  std::optional<std::string> hard_link_to;  // a path in the tar; the rest then says nothing
  std::string symlink_target;
  uint16_t mode;  // type and permissions
  uint32_t uid;
  uint32_t gid;
  int64_t mtime;
  uint32_t mtime_nsec;
  uint32_t rdev;  // as the kernel's new_encode_dev() has it
  uint64_t size;  // regular files, with their holes
  XattrSet xattrs;
  uint64_t ignored_xattrs;  // names that mean nothing on Linux, and overlayfs's own
};

// `name` for an error message: quoted, on one line, not too long.
std::string QuotedName(std::string_view name);

class TarReader {
 public:
  // See ImageBuilder::AddTar, whose argument this is.
  explicit TarReader(PieceSource source) : tar_(std::move(source)) {}

  // Returns the next entry, nothing at the end of the archive. Data of the entry before that was
  // not read is skipped. kInvalidArgument: what is wrong, with the entry's number or name.
  // kResourceExhausted: the headers of an entry are too long. Errors of the source are passed on.
  Result<std::optional<TarEntry>> Next();

  // Calls `piece` with the current entry's data in ascending order; between the pieces are holes.
  // An error of `piece` is passed on.
  Status ReadData(const std::function<Status(uint64_t offset, std::span<const std::byte>)>& piece);

  // Takes what follows the archive's end (padding) from the source, too. kInvalidArgument: the
  // archive may go on there.
  Status Drain();

 private:
  // What the headers before an entry say about it.
  struct Extension {
    std::optional<PaxRecords> pax{};
    std::string gnu_name{};
    std::string gnu_link{};
    bool any = false;
  };

  Status SkipRest();
  // Nothing at the archive's end.
  Result<std::optional<TarHeader>> NextHeader();
  Result<std::optional<TarHeader>> NextEntryHeader(Extension& extension);
  Result<std::string> ReadBody(const TarHeader& header);
  Status ReadExtension(const TarHeader& header, Extension& extension);
  Result<std::optional<TarEntry>> ReadEntry();
  Status Extend(const Extension& extension, TarHeader& header);
  Status FindData(const Extension& extension, TarHeader& header);
  Error Numbered(Error error) const;

  TarBlocks tar_;
  TarBlock block_{};
  bool is_tar_ = false;  // a header was one, or there is nothing at all
  uint64_t num_entries_ = 0;
  uint64_t header_bytes_ = 0;        // of the entry whose headers are read
  uint64_t body_left_ = 0;           // of the current entry
  uint64_t padding_ = 0;             // behind its body
  std::vector<SparsePiece> pieces_;  // of its data that are still to come, the next one last
  bool at_end_ = false;
  bool lone_zero_block_ = false;
};

}  // namespace locket::erofs
