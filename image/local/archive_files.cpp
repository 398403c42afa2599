// Archives through libarchive; the only file that sees it.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "image/local/local_files.h"

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
      if (n >= 0) {
        bytes_ += static_cast<uint64_t>(n);
        return n;
      }
      if (errno != EINTR && errno != EAGAIN) return Fail("read");
    }
  }
  const std::optional<Error>& failure() const { return failure_; }
  uint64_t bytes() const { return bytes_; }  // read so far

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
  uint64_t bytes_ = 0;
};

// "./a//b" -> "a/b"; nothing if it leads outside.
std::optional<std::string> Normalize(const fs::path& name) {
  const std::string normal = name.lexically_normal().relative_path().string();
  if (normal.empty() || normal == "." || normal.starts_with("..")) return {};
  return normal;
}

// Files by their names in the archive, on disk under numbers.
class ArchiveFiles final : public LocalFiles {
 public:
  explicit ArchiveFiles(TempDir directory) : directory_(std::move(directory)) {}

  Result<UniqueFd> Open(const std::string& name) override {
    std::string at = Normalize(name).value_or(name);
    for (int i = 0; i < kMaxLinks; ++i) {
      if (ambiguous_.contains(at)) {
        return Error(ErrorCode::kInvalidArgument,
                     "'" + at + "' stands twice in the archive, with different bytes");
      }
      const auto file = files_.find(at);
      if (file != files_.end()) return OpenFile(file->second, O_RDONLY);
      auto next = Follow(at);
      if (!next) break;
      at = std::move(*next);
    }
    return Error(ErrorCode::kNotFound, "the archive holds no file '" + name + "'");
  }

  fs::path NewPath() { return directory_.path() / std::to_string(next_++); }

  // Of several of one name, some tools read the first and some the last: they have to be the same.
  Status AddFile(const std::string& name, const fs::path& path) {
    const auto [there, is_new] = files_.emplace(name, path);
    if (is_new) return Ok();
    LOCKET_TRY_ASSIGN(const Digest before, DigestOf(there->second));
    LOCKET_TRY_ASSIGN(const Digest again, DigestOf(path));
    ::unlink(path.c_str());
    if (before != again) ambiguous_.insert(name);
    return Ok();
  }

  void AddLink(const std::string& name, const std::string& target) {
    const auto normal = Normalize(target);
    // One that leads outside is as good as absent.
    if (normal && target.size() <= kMaxNameBytes) links_.emplace(name, *normal);
  }

 private:
  static Result<Digest> DigestOf(const fs::path& path) {
    LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, "stat");
    return DigestOfFile(fd.get(), static_cast<uint64_t>(status.st_size));
  }

  // Where `name`, or a directory on the way to it, is a link to.
  std::optional<std::string> Follow(const std::string& name) const {
    for (size_t end = name.size(); end != std::string::npos && end > 0;
         end = name.rfind('/', end - 1)) {
      const auto link = links_.find(name.substr(0, end));
      if (link != links_.end()) return link->second + name.substr(end);
    }
    return std::nullopt;
  }

  TempDir directory_;
  std::map<std::string, fs::path> files_;
  std::map<std::string, std::string> links_;
  std::set<std::string> ambiguous_;  // names of files that differ
  size_t next_ = 0;
};

// Takes an archive apart, entry by entry.
class Unpacker {
 public:
  Unpacker(archive* reader, const Input& input, const UnpackOptions& options, ArchiveFiles& files)
      : reader_(reader), input_(input), options_(options), files_(files) {}

  Status Unpack() {
    for (size_t count = 0;; ++count) {
      archive_entry* entry = nullptr;
      const int state = archive_read_next_header(reader_, &entry);
      if (state == ARCHIVE_EOF) return Ok();
      // A warning is about names or times, which are nothing to us.
      if (state != ARCHIVE_OK && state != ARCHIVE_WARN) return Damaged();
      if (count == kMaxEntries) {
        return Error(ErrorCode::kResourceExhausted, "more than 100000 entries");
      }
      LOCKET_TRY(Take(entry));
    }
  }

 private:
  Status Take(archive_entry* entry) {
    const char* raw_name = archive_entry_pathname(entry);
    std::optional<std::string> name;
    if (raw_name != nullptr && std::string_view(raw_name).size() <= kMaxNameBytes) {
      name = Normalize(raw_name);
    }
    if (name && TakeLink(entry, *name)) return Read(-1);
    if (!name || archive_entry_filetype(entry) != AE_IFREG || !options_.wanted(*name)) {
      return Read(-1);
    }
    // A few bytes would fill the disk.
    if (archive_entry_sparse_count(entry) > 0) {
      return Error(ErrorCode::kInvalidArgument,
                   "'" + *name + "' is a sparse file; make the archive without --sparse");
    }
    const fs::path path = files_.NewPath();
    LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
    LOCKET_TRY(Read(fd.get()).While("unpack '" + *name + "'"));
    return files_.AddFile(*name, path);
  }

  bool TakeLink(archive_entry* entry, const std::string& name) {
    if (const char* target = archive_entry_hardlink(entry); target != nullptr) {
      files_.AddLink(name, target);
      return true;
    }
    if (archive_entry_filetype(entry) != AE_IFLNK) return false;
    const char* target = archive_entry_symlink(entry);
    if (target != nullptr) files_.AddLink(name, (fs::path(name).parent_path() / target).string());
    return true;
  }

  // The entry's bytes into `fd`, or nowhere if it is -1: what is passed over is unpacked, too.
  Status Read(int fd) {
    while (true) {
      const void* bytes = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int state = archive_read_data_block(reader_, &bytes, &size, &offset);
      if (state == ARCHIVE_EOF) return Ok();
      if (state == ARCHIVE_RETRY) continue;
      if (state != ARCHIVE_OK && state != ARCHIVE_WARN) return Damaged();
      LOCKET_TRY(CheckAllowance());
      if (fd >= 0) {
        LOCKET_TRY(WriteFull(fd, std::span(static_cast<const std::byte*>(bytes), size)));
      }
    }
  }

  Status CheckAllowance() const {
    const auto unpacked = static_cast<uint64_t>(archive_filter_bytes(reader_, 0));
    if (unpacked > options_.max_bytes) {
      return Error(ErrorCode::kResourceExhausted,
                   "the archive unpacks to more than " + std::to_string(options_.max_bytes) +
                       " bytes; take the image from a registry or a layout");
    }
    const bool suspicious = unpacked > options_.unsuspicious_bytes;
    if (!suspicious || unpacked / options_.max_ratio <= input_.bytes()) return Ok();
    return Error(ErrorCode::kResourceExhausted, "the archive unpacks to more than " +
                                                    std::to_string(options_.max_ratio) +
                                                    " times its size");
  }

  Error Damaged() const {
    const char* why = archive_error_string(reader_);
    return {ErrorCode::kDataLoss,
            std::string("not a tar archive, or damaged: ") + (why == nullptr ? "unknown" : why)};
  }

  archive* reader_;
  const Input& input_;
  const UnpackOptions& options_;
  ArchiveFiles& files_;
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
                                                  const UnpackOptions& options) {
  LOCKET_TRY_ASSIGN(const auto input, Input::Open(std::move(archive_fd), options.stop));
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
  LOCKET_TRY_ASSIGN(auto directory,
                    TempDir::Create(options.temporary_directory, "locket-archive."));
  auto files = std::make_unique<ArchiveFiles>(std::move(directory));
  auto unpacked = Unpacker(reader.get(), *input, options, *files).Unpack();
  // To libarchive a file that cannot be read is a damaged one.
  if (input->failure()) return *input->failure();
  LOCKET_TRY(std::move(unpacked));
  return std::unique_ptr<LocalFiles>(std::move(files));
}

}  // namespace locket::image
