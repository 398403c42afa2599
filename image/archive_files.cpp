// Archives through libarchive; the only file that sees it.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "base/file.h"
#include "image/local_files.h"

namespace locket::image {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxEntries = 100'000;
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kBufferBytes = 256U << 10;
constexpr int kMaxLinks = 8;

struct ArchiveFree {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, ArchiveFree>;

// A file or pipe, read until somebody asks to stop.
class Input {
 public:
  static Result<std::unique_ptr<Input>> Open(UniqueFd fd, const std::stop_token& stop) {
    UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
    if (!stopped.valid()) return Error::FromErrno(errno, "eventfd");
    return std::unique_ptr<Input>(new Input(std::move(fd), std::move(stopped), stop));
  }

  // For libarchive: the number of bytes at `*bytes`; 0 is the end, -1 a failure().
  la_ssize_t Read(const void** bytes) {
    *bytes = buffer_.data();
    std::array<pollfd, 2> fds{pollfd{fd_.get(), POLLIN, 0}, pollfd{stopped_.get(), POLLIN, 0}};
    while (true) {
      if (::poll(fds.data(), fds.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return Fail("poll");
      }
      if (fds[1].revents != 0) {
        failure_ = Error(ErrorCode::kCancelled, "interrupted");
        return -1;
      }
      const ssize_t n = ::read(fd_.get(), buffer_.data(), buffer_.size());
      if (n >= 0) return n;
      if (errno != EINTR && errno != EAGAIN) return Fail("read");
    }
  }
  const std::optional<Error>& failure() const { return failure_; }

 private:
  Input(UniqueFd fd, UniqueFd stopped, const std::stop_token& stop)
      : fd_(std::move(fd)), stopped_(std::move(stopped)), on_stop_(stop, Wake{stopped_.get()}) {}

  la_ssize_t Fail(const char* doing) {
    failure_ = Error::FromErrno(errno, doing);
    return -1;
  }

  struct Wake {
    int fd;
    void operator()() const { ::eventfd_write(fd, 1); }  // a fresh one takes it
  };

  UniqueFd fd_;
  UniqueFd stopped_;
  std::stop_callback<Wake> on_stop_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBufferBytes);
  std::optional<Error> failure_{};
};

// "./a//b" -> "a/b"; nothing if it leads outside.
std::optional<std::string> Normalize(const fs::path& name) {
  const std::string normal = name.lexically_normal().relative_path().string();
  if (normal.empty() || normal == "." || normal.starts_with("..")) return {};
  return normal;
}

class ArchiveFiles final : public LocalFiles {
 public:
  explicit ArchiveFiles(TempDir directory) : directory_(std::move(directory)) {}

  Result<UniqueFd> Open(const std::string& name) override {
    std::string at = Normalize(name).value_or(name);
    for (int i = 0; i < kMaxLinks; ++i) {
      const auto file = files_.find(at);
      if (file != files_.end()) return OpenFile(file->second, O_RDONLY);
      const auto link = links_.find(at);
      if (link == links_.end()) break;
      at = link->second;
    }
    return Error(ErrorCode::kNotFound, "the archive holds no file '" + name + "'");
  }

  Status Unpack(archive* reader) {
    std::vector<std::byte> buffer(kBufferBytes);
    for (size_t count = 0;; ++count) {
      archive_entry* entry = nullptr;
      const int state = archive_read_next_header(reader, &entry);
      if (state == ARCHIVE_EOF) return Ok();
      // A warning is about names or times, which are nothing to us.
      if (state != ARCHIVE_OK && state != ARCHIVE_WARN) return Damaged(reader);
      if (count == kMaxEntries) {
        return Error(ErrorCode::kResourceExhausted, "more than 100000 entries");
      }
      LOCKET_TRY(UnpackEntry(reader, entry, buffer));
    }
  }

 private:
  static Error Damaged(archive* reader) {
    const char* why = archive_error_string(reader);
    return {ErrorCode::kDataLoss,
            std::string("not a tar archive, or damaged: ") + (why == nullptr ? "unknown" : why)};
  }

  Status UnpackEntry(archive* reader, archive_entry* entry, std::span<std::byte> buffer) {
    const char* raw_name = archive_entry_pathname(entry);
    if (raw_name == nullptr || std::string_view(raw_name).size() > kMaxNameBytes) return Ok();
    const auto name = Normalize(raw_name);
    if (!name) return Ok();
    if (const char* target = archive_entry_hardlink(entry); target != nullptr) {
      return AddLink(*name, target);
    }
    if (archive_entry_filetype(entry) == AE_IFLNK) {
      const char* target = archive_entry_symlink(entry);
      if (target == nullptr) return Ok();
      return AddLink(*name, (fs::path(*name).parent_path() / target).string());
    }
    if (archive_entry_filetype(entry) != AE_IFREG) return Ok();
    // A few bytes would fill the disk.
    if (archive_entry_sparse_count(entry) > 0) {
      return Error(ErrorCode::kInvalidArgument,
                   "'" + *name + "' is a sparse file; make the archive without --sparse");
    }
    const fs::path path = directory_.path() / std::to_string(files_.size());
    LOCKET_TRY(WriteEntry(reader, path, buffer).While("unpack '" + *name + "'"));
    if (files_.emplace(*name, path).second) return Ok();
    return Error(ErrorCode::kInvalidArgument, "'" + *name + "' stands twice in the archive");
  }

  Status AddLink(const std::string& name, const std::string& target) {
    const auto normal = Normalize(target);
    if (normal && target.size() <= kMaxNameBytes) links_.emplace(name, *normal);
    return Ok();  // one that leads outside is as good as absent
  }

  static Status WriteEntry(archive* reader, const fs::path& path, std::span<std::byte> buffer) {
    LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
    while (true) {
      const auto n = archive_read_data(reader, buffer.data(), buffer.size());
      if (n == ARCHIVE_RETRY) continue;
      if (n < 0) return Damaged(reader);
      if (n == 0) return Ok();
      LOCKET_TRY(WriteFull(fd.get(), buffer.first(static_cast<size_t>(n))));
    }
  }

  TempDir directory_;
  std::map<std::string, fs::path> files_;
  std::map<std::string, std::string> links_;
};

// Raw is not among the formats: a file that is no archive is refused. Nor are the filters for which
// libarchive would start programs.
bool Prepare(archive* reader) {
  return archive_read_support_filter_gzip(reader) == ARCHIVE_OK &&
         archive_read_support_filter_bzip2(reader) == ARCHIVE_OK &&
         archive_read_support_filter_xz(reader) == ARCHIVE_OK &&
         archive_read_support_filter_zstd(reader) == ARCHIVE_OK &&
         archive_read_support_format_tar(reader) == ARCHIVE_OK;
}

}  // namespace

Result<std::unique_ptr<LocalFiles>> UnpackArchive(UniqueFd archive_fd,
                                                  const fs::path& temporary_directory,
                                                  const std::stop_token& stop) {
  LOCKET_TRY_ASSIGN(const auto input, Input::Open(std::move(archive_fd), stop));
  const Reader reader(archive_read_new());
  if (reader == nullptr || !Prepare(reader.get())) {
    return Error(ErrorCode::kInternal, "libarchive failed");
  }
  const auto read = [](archive*, void* data, const void** bytes) {
    return static_cast<Input*>(data)->Read(bytes);
  };
  if (archive_read_open(reader.get(), input.get(), nullptr, read, nullptr) != ARCHIVE_OK) {
    if (input->failure()) return *input->failure();
    return Error(ErrorCode::kInvalidArgument, archive_error_string(reader.get()));
  }
  LOCKET_TRY_ASSIGN(auto directory, TempDir::Create(temporary_directory, "locket-archive."));
  auto files = std::make_unique<ArchiveFiles>(std::move(directory));
  auto unpacked = files->Unpack(reader.get());
  // To libarchive a file that cannot be read is a damaged one.
  if (input->failure()) return *input->failure();
  LOCKET_TRY(std::move(unpacked));
  return std::unique_ptr<LocalFiles>(std::move(files));
}

}  // namespace locket::image
