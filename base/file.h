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

// Returns the content of the file. The errors name the path. kNotFound: there is no such file.
// kResourceExhausted: it is larger than `max_bytes`; then nothing beyond that is read.
Result<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes);

// read(2) until `out` is full, pread(2) at `offset` likewise; short reads and EINTR are repeated.
// kDataLoss: the file ended before that. After any failure `out` is filled in part.
Status ReadFull(int fd, std::span<std::byte> out);
Status PreadFull(int fd, std::span<std::byte> out, uint64_t offset);
// write(2) or pwrite(2) until all of `bytes` is written. After a failure a part of them may be.
Status WriteFull(int fd, std::span<const std::byte> bytes);
Status PwriteFull(int fd, std::span<const std::byte> bytes, uint64_t offset);

// open(2) with O_CLOEXEC added to `flags`. Returns the descriptor. The error names the path.
Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags, mode_t mode = 0600);

// Replaces `path` by `content` so that after a crash either the old or the new file is there in
// full: temporary file beside it, write, fsync, rename, fsync of the directory, each checked. On
// failure `path` is as it was and the temporary file is gone.
Status ReplaceFileDurably(const std::filesystem::path& path, std::string_view content,
                          mode_t mode = 0600);

// fsync(2) of `directory`: makes the names that were made, renamed or removed in it survive a power
// cut.
Status SyncDirectory(const std::filesystem::path& directory);

// A directory of our own, removed with all that it holds when the object dies. What cannot be
// removed then stays, without a report.
class TempDir {
 public:
  // Makes `parent`/`prefix`XXXXXX with mode 0700, where XXXXXX is made up. `parent` exists.
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
