// A layer's tar, entry by entry; hides libarchive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "erofs/block_sink.h"
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
  uint64_t size;  // regular files
  XattrSet xattrs;
  uint64_t ignored_xattrs;
};

// `name` for an error message: quoted, on one line, not too long.
std::string QuotedName(std::string_view name);

class TarReader {
 public:
  // See ImageBuilder::AddTar, whose argument this is.
  static Result<TarReader> Open(PieceSource source);

  TarReader(TarReader&&) noexcept;
  ~TarReader();

  // nullopt at the end of the archive. Data of the entry before that was not read is skipped.
  Result<std::optional<TarEntry>> Next();

  // The pieces of the current entry's data in ascending order; between them are holes.
  Status ReadData(const std::function<Status(uint64_t offset, std::span<const std::byte>)>& piece);

  // Takes what follows the archive's end (padding) from the source, too. kInvalidArgument: the
  // archive may go on there.
  Status Drain();

 private:
  struct State;
  explicit TarReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace locket::erofs
