#include "cli/key.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "image/sealed/key_packet.h"

namespace locket::cli {
namespace {

using image::kKekBytes;

constexpr size_t kMaxKeyFile = 4096;

Status FillAndSync(int fd) {
  Secret key(kKekBytes);
  // Up to 256 bytes come whole once the pool is ready (random(7)); EINTR only before that.
  ssize_t n = 0;
  do {
    n = ::getrandom(key.Reveal().data(), key.Reveal().size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(kKekBytes)) return Error::FromErrno(errno, "getrandom");
  LOCKET_TRY(WriteFull(fd, key.Reveal()));
  if (::fsync(fd) != 0) return Error::FromErrno(errno, "fsync");
  return Ok();
}

}  // namespace

Status CreateKeyFile(const std::filesystem::path& path) {
  const std::string doing = "create key '" + path.string() + "'";
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid() && errno == EEXIST) {
    return Error(ErrorCode::kAlreadyExists,
                 doing + ": the file exists, and a key is never overwritten; choose another name");
  }
  if (!fd.valid()) return Error::FromErrno(errno, doing);
  auto filled = FillAndSync(fd.get());
  if (!filled.ok()) {
    ::unlink(path.c_str());
    return std::move(filled).While(doing);
  }
  const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  return SyncDirectory(parent).While(doing);
}

Result<Secret> ReadSecretFile(const std::filesystem::path& path, size_t max_bytes) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  const std::string doing = "read '" + path.string() + "'";
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, doing);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, doing + ": not a regular file");
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size > max_bytes) {
    return Error(ErrorCode::kResourceExhausted,
                 doing + ": larger than " + std::to_string(max_bytes) + " bytes");
  }
  Secret content(size);
  LOCKET_TRY(ReadFull(fd.get(), content.Reveal()).While(doing));
  return content;
}

Result<Secret> ReadKeyFile(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(Secret key, ReadSecretFile(path, kMaxKeyFile).While("key"));
  if (key.Reveal().size() == kKekBytes) return key;
  return Error(
      ErrorCode::kInvalidArgument,
      "key '" + path.string() + "': must be a file of 32 bytes; 'locket key create' makes one");
}

}  // namespace locket::cli
