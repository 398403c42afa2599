// Looks at files of a container's root directory as the container would: links are followed, and
// none leads out of it or into the kernel's own (/proc/self/fd).
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

class RootDirectory {
 public:
  static Result<RootDirectory> Open(const std::filesystem::path& path);

  // Opens for reading. kNotFound: nothing is there. kInvalidArgument: it is no regular file, and
  // was not opened.
  Result<UniqueFd> OpenFile(const std::string& path) const;
  // As OpenFile; kResourceExhausted: it is larger than `max_bytes`.
  Result<std::string> ReadFile(const std::string& path, size_t max_bytes) const;

  // Where the absolute `path` leads: absolute, in normal form, without links. What does not exist
  // is taken as it is written. kInvalidArgument: it goes through more than 40 links. `enter` gets
  // each place on the way in normal form, links too, before it is looked at; its error ends this.
  Result<std::string> Resolve(const std::string& path,
                              const std::function<Status(const std::string&)>& enter = {}) const;

 private:
  explicit RootDirectory(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<UniqueFd> Look(const std::string& path, uint64_t flags) const;

  UniqueFd fd_;
};

}  // namespace locket::guest_agent
