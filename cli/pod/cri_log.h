// The log file of a container, as CRI has it: lines `TIME stdout|stderr P|F text`. P marks a part
// of a longer line, whose rest is in the next one.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::cli {

// Copies a log to two streams while it grows. `pod run` calls Copy() every 100 ms and, once the
// container has ended, CopyRest(). `path` may not exist yet. Used by one thread.
class CriLogReader {
 public:
  CriLogReader(std::filesystem::path path, std::ostream& out, std::ostream& err)
      : path_(std::move(path)), out_(out), err_(err) {}

  // Copies the whole lines that were added since the last call, each to its stream. A line that is
  // not in CRI's format is copied as it is, to `out`. A file that does not exist is like an empty
  // one. kDataLoss: a line of more than 1 MiB, so this is not a CRI log.
  Status Copy();

  // As Copy(), and also copies a last line that has no line feed.
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
