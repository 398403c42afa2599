// Whole-file reads with a bound, and replaces that survive a power cut.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

// Returns the content of the file. Reads to its end, whatever size the file says it has, so files
// in /proc work, too. The errors name the path. kNotFound: there is no such file.
// kResourceExhausted: the file is larger than `max_bytes`; at most 64 KiB beyond the limit are
// read.
Result<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes);

// The next four repeat their call after a short transfer or EINTR. Their errors do not name the
// file: the caller adds the name with While.
//
// read(2) until `out` is full, and pread(2) at `offset` likewise. kDataLoss: the file ended before
// `out` was full. After any failure `out` is filled in part.
Status ReadFull(int fd, std::span<std::byte> out);
Status PreadFull(int fd, std::span<std::byte> out, uint64_t offset);
// write(2), and pwrite(2) at `offset`, until all of `bytes` is written. After a failure a part of
// `bytes` may be in the file. kResourceExhausted: the disk is full.
Status WriteFull(int fd, std::span<const std::byte> bytes);
Status PwriteFull(int fd, std::span<const std::byte> bytes, uint64_t offset);

// open(2) with O_CLOEXEC added to `flags`. Returns the descriptor. The error names the path, and
// its code is that of Error::FromErrno: kNotFound if there is no such file.
Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags, mode_t mode = 0600);

// Replaces `path` by a file with `content` and `mode`, whatever the umask. After a crash either the
// old or the new file is there in full: temporary file beside it, write, fsync, rename, fsync of
// the directory, each checked. On failure the temporary file is gone and `path` is as it was, with
// one exception: if only the last fsync failed, `path` is the new file, which a power cut may still
// take. A symlink at `path` is itself replaced. A process that is killed may leave the temporary
// file, whose name is that of `path` with six letters or digits after a dot.
Status ReplaceFileDurably(const std::filesystem::path& path, std::string_view content,
                          mode_t mode = 0600);

// fsync(2) of `directory`: makes the names that were made, renamed or removed in it survive a power
// cut.
Status SyncDirectory(const std::filesystem::path& directory);

// A directory that is made with the object, and removed with all that it holds when the object
// dies. What cannot be removed stays, without a report.
class TempDir {
 public:
  // Makes `parent`/`prefix`XXXXXX with mode 0700, with letters and digits for the Xs that make the
  // name unique. kNotFound: `parent` does not exist.
  static Result<TempDir> Create(const std::filesystem::path& parent, std::string_view prefix);
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;
  ~TempDir();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;  // empty once moved from
};

}  // namespace locket
