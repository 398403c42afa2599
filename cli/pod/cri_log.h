// A container's log file as CRI writes it: `TIME stdout|stderr P|F text` lines, P for a part whose
// rest follows.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::cli {

// Copies what is in the file, and later what was added, to two streams.
class CriLogReader {
 public:
  CriLogReader(std::filesystem::path path, std::ostream& out, std::ostream& err)
      : path_(std::move(path)), out_(out), err_(err) {}

  // Copies every whole line there is since the last call. A file that does not exist yet is empty.
  Status Copy();

  // Also copies a last line without its line feed.
  Status CopyRest();

 private:
  void Line(std::string_view line);

  std::filesystem::path path_;
  std::ostream& out_;
  std::ostream& err_;
  UniqueFd fd_;
  std::string pending_;  // at most kMaxLine bytes
};

}  // namespace locket::cli
