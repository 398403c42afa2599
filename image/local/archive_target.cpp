// An OCI layout as a tar stream, written blob by blob as they come.
#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/pending_file.h"
#include "image/local/local_files.h"
#include "image/local/local_image.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr size_t kPiece = 1U << 20;

struct ArchiveFree {
  void operator()(archive* writer) const { ::archive_write_free(writer); }
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

class ArchiveTarget final : public ImageTarget {
 public:
  ArchiveTarget(ByteSink sink, std::function<Status()> commit, std::string_view tag)
      : sink_(std::move(sink)), commit_(std::move(commit)), tag_(tag) {}

  Status Open() {
    writer_.reset(::archive_write_new());
    // ustar wherever it is enough; pax for what is above 8 GiB. No padding to a tape's blocks.
    const bool opened =
        writer_ != nullptr &&
        ::archive_write_set_format_pax_restricted(writer_.get()) == ARCHIVE_OK &&
        ::archive_write_set_bytes_per_block(writer_.get(), 0) == ARCHIVE_OK &&
        ::archive_write_open(writer_.get(), this, nullptr, &OnWrite, nullptr) == ARCHIVE_OK;
    return Outcome(opened);
  }

  Result<bool> HasBlob(const Descriptor& blob) override {
    const MutexLock lock(mutex_);
    return written_.contains(blob.digest);
  }

  Status PutBlob(const Descriptor& blob, int fd) override {
    return Put(blob, [fd](uint64_t offset, std::span<std::byte> out) {
      return PreadFull(fd, out, offset);
    });
  }

  Status PutBlobBytes(const Descriptor& blob, std::string_view bytes) override {
    if (bytes.size() != blob.size) {
      return Error(ErrorCode::kDataLoss,
                   "store blob " + blob.digest.ToText() + ": not of the stated size");
    }
    return Put(blob, [bytes](uint64_t offset, std::span<std::byte> out) {
      std::ranges::copy(AsBytes(bytes).subspan(offset, out.size()), out.begin());
      return Ok();
    });
  }

  Status PutNested(const Descriptor& document, std::string_view bytes) override {
    return PutBlobBytes(document, bytes);
  }

  Result<Descriptor> PutManifest(std::string_view media_type, std::string_view bytes) override {
    const Descriptor descriptor = DescriptorOf(media_type, bytes);
    LOCKET_TRY(PutBlobBytes(descriptor, bytes));
    Descriptor entry = descriptor;
    if (!tag_.empty()) entry.annotations.emplace(kRefName, tag_);
    const std::string index =
        EncodeIndex({.media_type = std::string(kOciIndex), .manifests = {std::move(entry)}});
    const MutexLock lock(mutex_);
    LOCKET_TRY(PutFile("index.json", index));
    LOCKET_TRY(PutFile("oci-layout", kLayoutFile));
    LOCKET_TRY(Outcome(::archive_write_close(writer_.get()) == ARCHIVE_OK));
    LOCKET_TRY(commit_());
    return descriptor;
  }

 private:
  // libarchive 3.6 never frees its stream after a write that failed, so it does not hear of one:
  // the first failure stays here, ends all writing, and is every later call's outcome.
  static la_ssize_t OnWrite(archive* /*writer*/, void* self, const void* data, size_t size) {
    auto* target = static_cast<ArchiveTarget*>(self);
    if (!target->failure_) {
      auto written = target->sink_(std::span(static_cast<const std::byte*>(data), size));
      if (!written.ok()) target->failure_ = std::move(written).error();
    }
    return static_cast<la_ssize_t>(size);
  }

  Status Outcome(bool done) const {
    if (done && !failure_) return Ok();
    return Explain();
  }

  Error Explain() const {
    if (failure_) return *failure_;
    const char* why = writer_ == nullptr ? nullptr : ::archive_error_string(writer_.get());
    return {ErrorCode::kInternal,
            std::string("write archive: ") + (why != nullptr ? why : "libarchive failed")};
  }

  Status Header(const std::string& name, uint64_t size) LOCKET_REQUIRES(mutex_) {
    const std::unique_ptr<archive_entry, ArchiveFree> entry(::archive_entry_new());
    ::archive_entry_set_pathname(entry.get(), name.c_str());
    ::archive_entry_set_filetype(entry.get(), AE_IFREG);
    ::archive_entry_set_perm(entry.get(), 0644);
    ::archive_entry_set_mtime(entry.get(), 0, 0);  // the same image, the same archive
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    return Outcome(::archive_write_header(writer_.get(), entry.get()) == ARCHIVE_OK);
  }

  Status Data(std::span<const std::byte> bytes) LOCKET_REQUIRES(mutex_) {
    const auto n = ::archive_write_data(writer_.get(), bytes.data(), bytes.size());
    return Outcome(n == static_cast<la_ssize_t>(bytes.size()));
  }

  Status PutFile(const std::string& name, std::string_view content) LOCKET_REQUIRES(mutex_) {
    LOCKET_TRY(Header(name, content.size()));
    return Data(AsBytes(content));
  }

  template <typename Fill>
  Status Put(const Descriptor& blob, const Fill& read_at) {
    const MutexLock lock(mutex_);
    if (written_.contains(blob.digest)) return Ok();
    const std::string doing = "store blob " + blob.digest.ToText();
    LOCKET_TRY(Header(BlobName(blob.digest), blob.size).While(doing));
    std::vector<std::byte> buffer(std::min<uint64_t>(kPiece, blob.size));
    DigestHasher hasher;
    for (uint64_t done = 0; done < blob.size;) {
      const auto part =
          std::span(buffer).first(std::min<uint64_t>(buffer.size(), blob.size - done));
      LOCKET_TRY(read_at(done, part).While(doing));
      LOCKET_TRY(Data(part).While(doing));
      hasher.Update(part);
      done += part.size();
    }
    if (const Digest digest = hasher.Finish(); digest != blob.digest) {
      return Error(ErrorCode::kDataLoss, doing + ": its content is " + digest.ToText());
    }
    written_.insert(blob.digest);
    return Ok();
  }

  const ByteSink sink_;
  const std::function<Status()> commit_;
  const std::string tag_;
  Mutex mutex_;
  std::set<Digest> written_ LOCKET_GUARDED_BY(mutex_);
  std::optional<Error> failure_{};
  // Last: its end may still write to the sink.
  std::unique_ptr<archive, ArchiveFree> writer_{};
};

Result<std::unique_ptr<ImageTarget>> Open(ByteSink sink, std::function<Status()> commit,
                                          std::string_view tag) {
  auto target = std::make_unique<ArchiveTarget>(std::move(sink), std::move(commit), tag);
  LOCKET_TRY(target->Open());
  return std::unique_ptr<ImageTarget>(std::move(target));
}

}  // namespace

Result<std::unique_ptr<ImageTarget>> OpenArchiveTarget(const fs::path& path, std::string_view tag) {
  LOCKET_TRY_ASSIGN(PendingFile made, PendingFile::Create(path));
  // Shared by the two functions, which die with the target.
  auto file = std::make_shared<PendingFile>(std::move(made));
  return Open([file](std::span<const std::byte> bytes) { return WriteFull(file->fd(), bytes); },
              [file] { return file->Commit(0644); }, tag);
}

Result<std::unique_ptr<ImageTarget>> OpenStreamTarget(ByteSink sink) {
  return Open(
      std::move(sink), [] { return Ok(); }, "");
}

}  // namespace locket::image
