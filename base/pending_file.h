// A file that gets its name only when it is complete, so that nobody sees half of it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

// kPowerCut: the file is on disk before its name is, and the name before Commit returns. kNone: the
// replacement is atomic for other processes, but a power cut may lose either.
enum class Durability { kNone, kPowerCut };

// A temporary file in the directory of `path`, open for reading and writing, of mode 0600.
//
// Create makes it, the caller writes to fd(), and Commit renames it to `path`, over what is there.
// If the object dies before Commit the temporary file is removed and `path` is as it was. A process
// that is killed leaves the temporary file behind. For one thread.
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

  // Gives the file its mode and its name; to be called at most once. On failure `path` is as it was
  // and the temporary file goes with the object; if only the sync of the directory failed, `path`
  // is the new file, which a power cut may still take.
  Status Commit(mode_t mode, Durability durability = Durability::kPowerCut);

 private:
  PendingFile(UniqueFd fd, std::string name, std::filesystem::path path)
      : fd_(std::move(fd)), name_(std::move(name)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string name_;  // empty once committed, or moved from
  std::filesystem::path path_;
};

}  // namespace locket
