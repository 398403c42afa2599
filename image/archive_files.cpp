// Archives through libarchive; the only file that sees it.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <array>
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

}  // namespace

Result<std::unique_ptr<LocalFiles>> UnpackArchive(const fs::path& path,
                                                  const fs::path& temporary_directory) {
  const std::string doing = "open archive '" + path.string() + "'";
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  const Reader reader(archive_read_new());
  // Raw is not among the formats: a file that is no archive is refused.
  if (reader == nullptr || archive_read_support_filter_all(reader.get()) < ARCHIVE_WARN ||
      archive_read_support_format_tar(reader.get()) != ARCHIVE_OK) {
    return Error(ErrorCode::kInternal, doing + ": libarchive failed");
  }
  if (archive_read_open_fd(reader.get(), fd.get(), kBufferBytes) != ARCHIVE_OK) {
    return Error(ErrorCode::kInvalidArgument, doing + ": " + archive_error_string(reader.get()));
  }
  LOCKET_TRY_ASSIGN(auto directory, TempDir::Create(temporary_directory, "locket-archive."));
  auto files = std::make_unique<ArchiveFiles>(std::move(directory));
  LOCKET_TRY(files->Unpack(reader.get()).While(doing));
  return std::unique_ptr<LocalFiles>(std::move(files));
}

}  // namespace locket::image
