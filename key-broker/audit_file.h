// One append-only file of lines that stays within a size: at its limit it becomes FILE.1, FILE.1
// becomes FILE.2, and so on; the oldest goes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::key_broker {

struct AuditFileOptions {
  off_t max_bytes = 16 << 20;  // of one file; 0: it grows, and somebody else moves it away
  size_t keep = 4;             // older files beside it
  bool reserve = false;        // holds kAuditReserveBytes on the disk, for when that fills up
};

inline constexpr off_t kAuditReserveBytes = 1 << 20;

// Not thread-safe. What is not a regular file (a pipe, a terminal) is written to and no more.
class AuditFile {
 public:
  // Appends to `path`, made with mode 0600.
  static Result<AuditFile> Open(std::filesystem::path path, const AuditFileOptions& options);

  // Writes all of `line` or, if that fails, nothing of it. `durable`: it survives a power cut once
  // this returns.
  Status Append(std::string_view line, bool durable);
  // Opens the path again, after somebody moved the file away. On failure the old one stays open.
  Status Reopen();

  bool regular() const { return regular_; }

 private:
  AuditFile(std::filesystem::path path, const AuditFileOptions& options)
      : path_(std::move(path)), options_(options) {}
  Status Rotate();
  void Reserve();

  std::filesystem::path path_;
  AuditFileOptions options_;
  UniqueFd fd_{};
  bool regular_ = false;
  off_t size_ = 0;
  off_t reserved_to_ = 0;
  bool warned_ = false;  // that nothing could be reserved
};

}  // namespace locket::key_broker
