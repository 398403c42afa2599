// Says when names in a directory come and go (inotify(7)), also while the directory itself is not
// there yet.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::device_plugin {

class DirectoryWatch {
 public:
  // Returns a watch that watches nothing before the first Rearm. kResourceExhausted, kInternal: the
  // kernel gives no inotify instance (fs.inotify.max_user_instances).
  static Result<DirectoryWatch> Open(std::filesystem::path directory);

  // Readable when something may have changed since Rearm.
  int fd() const { return fd_.get(); }

  // To be called before each look at the directory: what changes afterwards makes fd() readable,
  // what changed before is forgotten. Returns whether the directory is there. If it is not, its
  // nearest parent is watched. An error: not even a parent can be watched.
  Result<bool> Rearm();

 private:
  DirectoryWatch(UniqueFd fd, std::filesystem::path directory)
      : fd_(std::move(fd)), directory_(std::move(directory)) {}
  void Forget();  // what is pending

  UniqueFd fd_;
  std::filesystem::path directory_;
  int watched_ = -1;
};

}  // namespace locket::device_plugin
