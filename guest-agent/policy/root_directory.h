// Reads files of a container's root directory as the container would see them. Links are followed,
// and none leads out of the directory, nor to where a link of the kernel leads (/proc/self/fd).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

struct DirectoryMount;

// Paths are the container's, with or without a slash in front. Thread-safe.
class RootDirectory {
 public:
  // Opens the directory itself, a path of the guest.
  static Result<RootDirectory> Open(const std::filesystem::path& path);

  // Opens a file for reading. kNotFound: nothing is there. kInvalidArgument: it is not a regular
  // file; it was not opened.
  Result<UniqueFd> OpenFile(const std::string& path) const;
  // Returns a file's bytes. Errors also as OpenFile. kResourceExhausted: it is larger than
  // `max_bytes`.
  Result<std::string> ReadFile(const std::string& path, size_t max_bytes) const;

  // Returns where the absolute `path` leads: absolute, in normal form, without links. Steps that do
  // not exist stay as they are written. kInvalidArgument: the path goes through more than 40 links.
  Result<std::string> Resolve(const std::string& path) const;
  // As Resolve, with `mounts` in place. Where two cover each other, the later one is seen. A link
  // in a mounted directory leads to places of the whole, as it does in a container.
  Result<std::string> Resolve(const std::string& path,
                              const std::vector<DirectoryMount>& mounts) const;

 private:
  explicit RootDirectory(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<UniqueFd> Look(const std::string& path, uint64_t flags) const;

  UniqueFd fd_;
};

// A directory that is seen at a place of another one.
struct DirectoryMount {
  std::string at;  // the place, as Resolve returns it
  RootDirectory directory;
};

}  // namespace locket::guest_agent
