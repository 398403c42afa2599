// Reads files of a container's root directory as the container would see them. Links are followed,
// and none leads out of the directory, nor to where a link of the kernel leads (/proc/self/fd).
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

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
  // not exist stay as they are written. `enter` is called with each place on the way, links too, in
  // normal form, before the place is looked at; an error of it ends the call and is returned.
  // kInvalidArgument: the path goes through more than 40 links.
  Result<std::string> Resolve(const std::string& path,
                              const std::function<Status(const std::string&)>& enter = {}) const;

 private:
  explicit RootDirectory(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<UniqueFd> Look(const std::string& path, uint64_t flags) const;

  UniqueFd fd_;
};

}  // namespace locket::guest_agent
