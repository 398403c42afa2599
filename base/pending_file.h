// A file that gets its name only when it is whole.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

enum class Durability { kNone, kPowerCut };

// Stands beside `path` under a name of its own, open for reading and writing by us alone, and takes
// the place of whatever is at `path` on Commit. Gone if the object dies before that. One thread.
class PendingFile {
 public:
  static Result<PendingFile> Create(const std::filesystem::path& path);
  PendingFile(PendingFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        name_(std::exchange(other.name_, {})),
        path_(std::move(other.path_)) {}
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile();

  int fd() const { return fd_.get(); }

  // At most once. With kPowerCut the file, its mode and its name are on disk afterwards. On failure
  // `path` is as it was, or, if only its directory could not be synced, the new file.
  Status Commit(mode_t mode, Durability durability = Durability::kPowerCut);

 private:
  PendingFile(UniqueFd fd, std::string name, std::filesystem::path path)
      : fd_(std::move(fd)), name_(std::move(name)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string name_;  // empty once committed, or moved from
  std::filesystem::path path_;
};

}  // namespace locket
