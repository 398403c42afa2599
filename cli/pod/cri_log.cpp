#include "cli/pod/cri_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ostream>

namespace locket::cli {
namespace {

constexpr size_t kMaxLine = 1U << 20;  // containerd splits at 16 KiB by default

// Cuts the first word and the space behind it off `text`.
std::string_view Word(std::string_view& text) {
  const size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

}  // namespace

Status CriLogReader::Copy() {
  if (!fd_.valid()) {
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd_.valid() && errno == ENOENT) return Ok();
    if (!fd_.valid()) return Error::FromErrno(errno, "open log '" + path_.string() + "'");
  }
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "read log '" + path_.string() + "'");
    if (n == 0) break;
    pending_.append(buffer.data(), static_cast<size_t>(n));
    size_t start = 0;
    for (size_t end; (end = pending_.find('\n', start)) != std::string::npos; start = end + 1) {
      Line(std::string_view(pending_).substr(start, end - start));
    }
    pending_.erase(0, start);
    if (pending_.size() > kMaxLine) {
      return Error(ErrorCode::kDataLoss, "log '" + path_.string() + "' is not a CRI log");
    }
  }
  out_.flush();
  err_.flush();
  return Ok();
}

Status CriLogReader::CopyRest() {
  LOCKET_TRY(Copy());
  if (!pending_.empty()) Line(pending_);
  pending_.clear();
  out_.flush();
  err_.flush();
  return Ok();
}

void CriLogReader::Line(std::string_view line) {
  std::string_view rest = line;
  Word(rest);  // the time
  const std::string_view stream = Word(rest);
  const std::string_view tag = Word(rest);
  const bool known = (stream == "stdout" || stream == "stderr") && !tag.empty();
  // A line that is not in CRI's format is shown as it is, rather than dropped.
  std::ostream& to = stream == "stderr" ? err_ : out_;
  to << (known ? rest : line);
  // Tags may follow one another with ':'; the first says partial or full.
  if (!known || tag.front() != 'P') to << '\n';
}

}  // namespace locket::cli
