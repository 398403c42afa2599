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

// Writes `path`; when it would pass `max_bytes`, moves it to `path`.old first. Not thread-safe.
class BoundedLog {
 public:
  BoundedLog(std::filesystem::path path, size_t max_bytes)
      : path_(std::move(path)), max_bytes_(max_bytes) {}

  // A full disk loses console text and nothing else, so nobody is told.
  void Append(std::string_view bytes);

 private:
  const std::filesystem::path path_;
  const size_t max_bytes_;
  UniqueFd file_;
  size_t written_ = 0;
};

// Finds the line of a kernel panic in a stream cut anywhere.
class PanicFinder {
 public:
  // The panic line, once, when `bytes` complete it.
  std::string Feed(std::string_view bytes);

 private:
  std::string line_;
  bool found_ = false;
};

// The last `max_bytes` of `path` that make whole lines, with control characters replaced; empty if
// there is no such file. For error messages.
std::string LogTail(const std::filesystem::path& path, size_t max_bytes);

inline constexpr size_t kMaxConsoleLog = 4U << 20;
inline constexpr size_t kConsoleTail = 2048;

// Copies `console` into the log until it ends. `on_panic` is called on the copying thread.
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
