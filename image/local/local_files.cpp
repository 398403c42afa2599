#include "image/local/local_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"

namespace locket::image {
namespace fs = std::filesystem;
namespace {

constexpr size_t kPiece = 1U << 20;

Status CheckRegular(int fd, const std::string& name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, "stat '" + name + "'");
  if (S_ISREG(status.st_mode)) return Ok();
  return Error(ErrorCode::kInvalidArgument, "'" + name + "' is not a regular file");
}

class DirectoryFiles final : public LocalFiles {
 public:
  explicit DirectoryFiles(fs::path directory) : directory_(std::move(directory)) {}
  Result<UniqueFd> Open(const std::string& name) override {
    // O_NONBLOCK: a FIFO put there must not hold us up.
    LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(directory_ / name, O_RDONLY | O_NONBLOCK));
    LOCKET_TRY(CheckRegular(fd.get(), name));
    return fd;
  }

 private:
  fs::path directory_;
};

class FileStream final : public BlobStream {
 public:
  FileStream(UniqueFd fd, const Descriptor& blob) : fd_(std::move(fd)), blob_(blob) {}

  Result<size_t> Read(std::span<std::byte> out) override {
    if (out.empty()) return Bad(ErrorCode::kInvalidArgument, "an empty buffer");
    ssize_t n = 0;
    do {
      n = ::read(fd_.get(), out.data(), out.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) return Error::FromErrno(errno, "read blob " + blob_.digest.ToText());
    if (n == 0) return Finish();
    const auto got = static_cast<size_t>(n);
    if (got > blob_.size - done_) return Bad(ErrorCode::kDataLoss, "longer than stated");
    hasher_.Update(out.first(got));
    done_ += got;
    return got;
  }

 private:
  Result<size_t> Finish() {
    if (finished_) return size_t{0};
    if (done_ != blob_.size) return Bad(ErrorCode::kDataLoss, "shorter than stated");
    const Digest digest = hasher_.Finish();
    if (digest != blob_.digest) {
      return Bad(ErrorCode::kDataLoss, "its content is " + digest.ToText());
    }
    finished_ = true;
    return size_t{0};
  }
  Error Bad(ErrorCode code, const std::string& why) const {
    return {code, "read blob " + blob_.digest.ToText() + ": " + why};
  }

  UniqueFd fd_;
  Descriptor blob_;
  DigestHasher hasher_;
  uint64_t done_ = 0;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<LocalFiles> MakeDirectoryFiles(const fs::path& directory) {
  return std::make_unique<DirectoryFiles>(directory);
}

Result<std::string> ReadLocalFile(LocalFiles& files, const std::string& name, size_t max_bytes) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, files.Open(name));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, "stat '" + name + "'");
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) > max_bytes) {
    return Error(ErrorCode::kResourceExhausted,
                 "'" + name + "' is larger than " + std::to_string(max_bytes) + " bytes");
  }
  std::string content(static_cast<size_t>(status.st_size), '\0');
  LOCKET_TRY(
      ReadFull(fd.get(), std::as_writable_bytes(std::span(content))).While("read '" + name + "'"));
  return content;
}

std::string BlobName(const Digest& digest) { return "blobs/sha256/" + digest.Hex(); }

Result<Digest> DigestOfFile(int fd, uint64_t size) {
  DigestHasher hasher;
  std::vector<std::byte> piece(std::min<uint64_t>(kPiece, size));
  for (uint64_t done = 0; done < size;) {
    const auto part = std::span(piece).first(std::min<uint64_t>(piece.size(), size - done));
    LOCKET_TRY(PreadFull(fd, part, done));
    hasher.Update(part);
    done += part.size();
  }
  return hasher.Finish();
}

Status CheckFile(int fd, const Descriptor& blob) {
  UniqueFd again(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!again.valid()) return Error::FromErrno(errno, "dup");
  FileStream stream(std::move(again), blob);
  std::vector<std::byte> piece(kPiece);
  while (true) {
    LOCKET_TRY_ASSIGN(const size_t n, stream.Read(piece));
    if (n == 0) break;
  }
  if (::lseek(fd, 0, SEEK_SET) != 0) return Error::FromErrno(errno, "seek");
  return Ok();
}

std::unique_ptr<BlobStream> MakeFileStream(UniqueFd fd, const Descriptor& blob) {
  return std::make_unique<FileStream>(std::move(fd), blob);
}

}  // namespace locket::image
