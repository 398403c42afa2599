// Keeps a guest's console in a file that does not grow without bound, and notices a kernel panic.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::runtime_shim {

// A log of bounded size in two files: `path`, and `path`.old with what was before it. When `path`
// would pass `max_bytes` it becomes `path`.old. Not thread-safe.
class BoundedLog {
 public:
  BoundedLog(std::filesystem::path path, size_t max_bytes)
      : path_(std::move(path)), max_bytes_(max_bytes) {}

  // Adds `bytes`. On failure they are lost, and nobody is told: a full disk must cost console text
  // and nothing else.
  void Append(std::string_view bytes);

 private:
  const std::filesystem::path path_;
  const size_t max_bytes_;
  UniqueFd file_;
  size_t written_ = 0;
};

// Finds the line of a kernel panic in a stream that comes in pieces of any length.
class PanicFinder {
 public:
  // Returns the panic line, from "Kernel panic" on, if `bytes` complete it, and otherwise nothing.
  // Only the first panic of a stream is returned.
  std::string Feed(std::string_view bytes);

 private:
  std::string line_;
  bool found_ = false;
};

// Returns the end of `path`, for error messages: whole lines of together at most `max_bytes`, with
// '?' for control characters. Empty if there is no such file.
std::string LogTail(const std::filesystem::path& path, size_t max_bytes);

inline constexpr size_t kMaxConsoleLog = 4U << 20;
inline constexpr size_t kConsoleTail = 2048;

// Copies a console into a log of twice kMaxConsoleLog at most, on a thread of its own, until the
// console ends or the object dies. `on_panic` is called on that thread, once.
class ConsoleLog {
 public:
  ConsoleLog(UniqueFd console, std::filesystem::path path,
             std::function<void(const std::string& line)> on_panic);
  ConsoleLog(const ConsoleLog&) = delete;
  ConsoleLog& operator=(const ConsoleLog&) = delete;
  ~ConsoleLog();  // stops copying

 private:
  void Copy();

  const UniqueFd console_;
  BoundedLog log_;
  const std::function<void(const std::string&)> on_panic_;
  std::jthread copier_;  // last: it uses the rest
};

}  // namespace locket::runtime_shim
