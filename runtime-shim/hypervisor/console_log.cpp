#include "runtime-shim/hypervisor/console_log.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::runtime_shim {
namespace {

constexpr size_t kMaxLine = 4096;

}  // namespace

void BoundedLog::Append(std::string_view bytes) {
  if (written_ + bytes.size() > max_bytes_) {
    std::error_code ignored;
    std::filesystem::rename(path_, path_.string() + ".old", ignored);
    file_.reset();
    written_ = 0;
  }
  if (!file_.valid()) {
    auto opened = OpenFile(path_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!opened.ok()) return;
    file_ = std::move(opened).value();
  }
  (void)WriteFull(file_.get(), AsBytes(bytes));
  written_ += bytes.size();
}

std::string PanicFinder::Feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (c != '\n') {
      if (line_.size() < kMaxLine) line_ += c;
      continue;
    }
    std::string line = std::exchange(line_, {});
    const size_t start = line.find("Kernel panic - not syncing");
    if (found_ || start == std::string::npos) continue;
    found_ = true;
    while (line.ends_with('\r')) line.pop_back();
    return line.substr(start);
  }
  return {};
}

std::string LogTail(const std::filesystem::path& path, size_t max_bytes) {
  const auto file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return {};
  const off_t size = ::lseek(file->get(), 0, SEEK_END);
  const auto length =
      static_cast<size_t>(std::clamp<off_t>(size, 0, static_cast<off_t>(max_bytes)));
  std::string tail(length, '\0');
  const auto bytes = std::as_writable_bytes(std::span(tail));
  if (!PreadFull(file->get(), bytes, static_cast<uint64_t>(size) - length).ok()) return {};
  if (static_cast<size_t>(size) > length) {
    tail.erase(0, std::min(tail.find('\n'), tail.size() - 1) + 1);
  }
  std::erase(tail, '\r');
  for (char& c : tail) {
    if (c != '\n' && (c < 0x20 || c > 0x7e)) c = '?';
  }
  return tail;
}

ConsoleLog::ConsoleLog(UniqueFd console, std::filesystem::path path,
                       std::function<void(const std::string&)> on_panic)
    : console_(std::move(console)),
      log_(std::move(path), kMaxConsoleLog),
      on_panic_(std::move(on_panic)),
      copier_([this] { Copy(); }) {}

ConsoleLog::~ConsoleLog() { ::shutdown(console_.get(), SHUT_RDWR); }

void ConsoleLog::Copy() {
  PanicFinder panic;
  std::array<char, 8192> buffer{};
  while (true) {
    const ssize_t n = ::read(console_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    const std::string_view bytes(buffer.data(), static_cast<size_t>(n));
    log_.Append(bytes);
    const std::string line = panic.Feed(bytes);
    if (!line.empty()) on_panic_(line);
  }
}

}  // namespace locket::runtime_shim
