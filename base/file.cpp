#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/pending_file.h"

namespace locket {
namespace fs = std::filesystem;
namespace {

constexpr size_t kReadStep = 64U << 10;

std::string Quoted(std::string_view verb, const fs::path& path) {
  return std::string(verb).append(" '").append(path.string()).append("'");
}

// `io(done)` moves some bytes and returns what read(2) or write(2) would.
template <typename Io>
Status Repeat(size_t total, const char* doing, const Io& io) {
  for (size_t done = 0; done < total;) {
    const ssize_t n = io(done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, doing);
    if (n == 0) return Error(ErrorCode::kDataLoss, std::string(doing) + ": ended too early");
    done += static_cast<size_t>(n);
  }
  return Ok();
}

}  // namespace

Result<UniqueFd> OpenFile(const fs::path& path, int flags, mode_t mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return Error::FromErrno(errno, Quoted("open", path));
  return fd;
}

Result<std::string> ReadFile(const fs::path& path, size_t max_bytes) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  std::string content;
  while (true) {
    const size_t old_size = content.size();
    content.resize(old_size + kReadStep);
    const ssize_t n = ::read(fd.get(), content.data() + old_size, kReadStep);
    if (n < 0 && errno != EINTR) return Error::FromErrno(errno, Quoted("read", path));
    content.resize(old_size + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (content.size() > max_bytes) {
      return Error(ErrorCode::kResourceExhausted,
                   Quoted("read", path) + ": larger than " + std::to_string(max_bytes) + " bytes");
    }
    if (n == 0) return content;
  }
}

Status ReadFull(int fd, std::span<std::byte> out) {
  return Repeat(out.size(), "read",
                [&](size_t done) { return ::read(fd, out.data() + done, out.size() - done); });
}

Status PreadFull(int fd, std::span<std::byte> out, uint64_t offset) {
  return Repeat(out.size(), "read", [&](size_t done) {
    return ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
  });
}

Status WriteFull(int fd, std::span<const std::byte> bytes) {
  return Repeat(bytes.size(), "write",
                [&](size_t done) { return ::write(fd, bytes.data() + done, bytes.size() - done); });
}

Status PwriteFull(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  return Repeat(bytes.size(), "write", [&](size_t done) {
    return ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                    static_cast<off_t>(offset + done));
  });
}

Status SyncDirectory(const fs::path& directory) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return Error::FromErrno(errno, Quoted("fsync", directory));
  return Ok();
}

Status ReplaceFileDurably(const fs::path& path, std::string_view content, mode_t mode) {
  LOCKET_TRY_ASSIGN(PendingFile file, PendingFile::Create(path));
  LOCKET_TRY(WriteFull(file.fd(), std::as_bytes(std::span(content.data(), content.size())))
                 .While(Quoted("write", path)));
  return file.Commit(mode);
}

Result<TempDir> TempDir::Create(const fs::path& parent, std::string_view prefix) {
  std::string path = (parent / prefix).string() + "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return Error::FromErrno(errno, Quoted("create", path));
  return TempDir(path);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;  // A temporary directory left behind harms nobody.
  fs::remove_all(path_, ignored);
}

}  // namespace locket
