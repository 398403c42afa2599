#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/pending_file.h"
#include "image/local/local_files.h"
#include "image/local/local_image.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr size_t kCopyBytes = 1U << 20;
constexpr mode_t kMode = 0644;

class LayoutTarget final : public ImageTarget {
 public:
  LayoutTarget(fs::path path, std::string_view tag) : path_(std::move(path)), tag_(tag) {}

  Status Initialize() {
    std::error_code error;
    fs::create_directories(path_ / "blobs" / "sha256", error);
    if (error) return Error::FromErrno(error.value(), "create '" + path_.string() + "'");
    if (!fs::exists(path_ / "oci-layout", error)) {
      LOCKET_TRY(ReplaceFileDurably(path_ / "oci-layout", kLayoutFile, kMode));
    }
    if (fs::exists(path_ / "index.json", error)) return CheckIndex();
    return WriteIndex(Index{.media_type = std::string(kOciIndex), .manifests = {}});
  }

  Result<bool> HasBlob(const Descriptor& blob) override { return Has(blob); }

  Status PutNested(const Descriptor& document, std::string_view bytes) override {
    return PutBlobBytes(document, bytes);
  }

  Status PutBlob(const Descriptor& blob, int fd) override {
    return Put(blob, [&](uint64_t offset,
                         std::span<std::byte> out) { return PreadFull(fd, out, offset); })
        .While("store blob " + blob.digest.ToText());
  }

  Status TakeBlob(const Descriptor& blob, const fs::path& path) override {
    const fs::path to = path_ / BlobName(blob.digest);
    if (!Has(blob) && SizeOf(path) == blob.size) {
      LOCKET_TRY_ASSIGN(const bool moved,
                        Move(path, to).While("store blob " + blob.digest.ToText()));
      if (moved) return SyncDirectory(to.parent_path());
    }
    // On another file system, or not what it should be, of which PutBlob tells.
    return ImageTarget::TakeBlob(blob, path);
  }

  Status PutBlobBytes(const Descriptor& blob, std::string_view bytes) override {
    if (bytes.size() != blob.size) {
      return Error(ErrorCode::kDataLoss,
                   "store blob " + blob.digest.ToText() + ": not of the stated size");
    }
    return Put(blob,
               [&](uint64_t offset, std::span<std::byte> out) {
                 const auto part = std::as_bytes(std::span(bytes)).subspan(offset, out.size());
                 std::ranges::copy(part, out.begin());
                 return Ok();
               })
        .While("store blob " + blob.digest.ToText());
  }

  Result<Descriptor> PutManifest(std::string_view media_type, std::string_view bytes) override {
    Descriptor descriptor = DescriptorOf(media_type, bytes);
    LOCKET_TRY(PutBlobBytes(descriptor, bytes));
    LOCKET_TRY_ASSIGN(Index index, ReadIndex());
    const auto bears_tag = [&](const auto& entry) {
      const auto name = entry.annotations.find(std::string(kRefName));
      return name != entry.annotations.end() && name->second == tag_;
    };
    std::erase_if(index.manifests, [&](const Descriptor& entry) {
      const bool named = entry.annotations.contains(std::string(kRefName));
      return tag_.empty() ? !named && entry.digest == descriptor.digest : bears_tag(entry);
    });
    if (!tag_.empty()) std::erase_if(index.unread, bears_tag);
    Descriptor entry = descriptor;
    if (!tag_.empty()) entry.annotations.emplace(kRefName, tag_);
    index.manifests.push_back(std::move(entry));
    LOCKET_TRY(WriteIndex(index));
    return descriptor;
  }

 private:
  static uint64_t SizeOf(const fs::path& path) {
    std::error_code error;
    const uint64_t size = fs::file_size(path, error);
    return error ? UINT64_MAX : size;
  }
  bool Has(const Descriptor& blob) const {
    return SizeOf(path_ / BlobName(blob.digest)) == blob.size;
  }

  // False: the two are on different file systems. Gone from `from` after an error.
  static Result<bool> Move(const fs::path& from, const fs::path& to) {
    struct stat file {};
    struct stat directory {};
    if (::stat(from.c_str(), &file) != 0 || ::stat(to.parent_path().c_str(), &directory) != 0 ||
        file.st_dev != directory.st_dev) {
      return false;  // before fsync, which for nothing takes long
    }
    LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(from, O_RDONLY));
    if (::fchmod(fd.get(), kMode) == 0 && ::fsync(fd.get()) == 0 &&
        ::rename(from.c_str(), to.c_str()) == 0) {
      return true;
    }
    const int saved_errno = errno;
    if (saved_errno == EXDEV) return false;  // bind mounts look like one file system
    ::unlink(from.c_str());
    return Error::FromErrno(saved_errno, "move it to '" + to.string() + "'");
  }

  template <typename ReadAt>
  Status Put(const Descriptor& blob, const ReadAt& read_at) {
    if (Has(blob)) return Ok();
    const fs::path path = path_ / BlobName(blob.digest);
    LOCKET_TRY_ASSIGN(PendingFile file, PendingFile::Create(path));
    std::vector<std::byte> buffer(std::min<uint64_t>(kCopyBytes, blob.size));
    DigestHasher hasher;
    for (uint64_t done = 0; done < blob.size;) {
      const auto part =
          std::span(buffer).first(std::min<uint64_t>(buffer.size(), blob.size - done));
      LOCKET_TRY(read_at(done, part));
      LOCKET_TRY(WriteFull(file.fd(), part));
      hasher.Update(part);
      done += part.size();
    }
    if (const Digest digest = hasher.Finish(); digest != blob.digest) {
      return Error(ErrorCode::kDataLoss, "its content is " + digest.ToText());
    }
    return file.Commit(kMode);
  }

  Result<Index> ReadIndex() const {
    LOCKET_TRY_ASSIGN(const std::string text, ReadFile(path_ / "index.json", kMaxManifestBytes));
    return DecodeIndex(text).While("'" + (path_ / "index.json").string() + "'");
  }
  Status CheckIndex() const {
    LOCKET_TRY(ReadIndex());
    return Ok();
  }
  Status WriteIndex(const Index& index) const {
    return ReplaceFileDurably(path_ / "index.json", EncodeIndex(index), kMode);
  }

  fs::path path_;
  std::string tag_;
};

}  // namespace

Result<std::unique_ptr<ImageTarget>> OpenLayoutTarget(const fs::path& path, std::string_view tag) {
  auto target = std::make_unique<LayoutTarget>(path, tag);
  LOCKET_TRY(target->Initialize().While("open image layout '" + path.string() + "'"));
  return std::unique_ptr<ImageTarget>(std::move(target));
}

}  // namespace locket::image
