#include "image/seal_layer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/unique_fd.h"
#include "erofs/image_builder.h"
#include "verity/hash_tree.h"
#include "verity/sector_cipher.h"
#include "verity/superblock.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kChunk = uint64_t{4} << 20;

// A file beside `path` that takes its place on Commit and is gone otherwise.
class PendingFile {
 public:
  static Result<PendingFile> Create(const fs::path& path) {
    std::string temporary = path.string() + ".XXXXXX";
    UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd.valid()) return Error::FromErrno(errno, "create '" + temporary + "'");
    return PendingFile(std::move(fd), std::move(temporary), path);
  }

  PendingFile(PendingFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        temporary_(std::exchange(other.temporary_, {})),
        path_(std::move(other.path_)) {}
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  int fd() const { return fd_.get(); }

  Status Commit() {
    if (::fchmod(fd(), 0644) != 0) return Error::FromErrno(errno, "set mode");
    if (::fsync(fd()) != 0) return Error::FromErrno(errno, "fsync");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      return Error::FromErrno(errno, "rename to '" + path_.string() + "'");
    }
    temporary_.clear();
    return SyncDirectory(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
  }

 private:
  PendingFile(UniqueFd fd, std::string temporary, fs::path path)
      : fd_(std::move(fd)), temporary_(std::move(temporary)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string temporary_;  // empty: committed, or moved from
  fs::path path_;
};

// Puts blocks where they belong in the file, encrypted on the way if the layer is.
class FileSink final : public erofs::BlockSink {
 public:
  FileSink(int fd, verity::SectorCipher* cipher) : fd_(fd), cipher_(cipher) {}

  Status Write(uint64_t first_block, std::span<const std::byte> blocks) override {
    if (cipher_ != nullptr) {
      buffer_.assign(blocks.begin(), blocks.end());
      LOCKET_TRY(cipher_->Encrypt(first_block, buffer_));
      blocks = buffer_;
    }
    return PwriteFull(fd_, blocks, first_block * verity::kBlockSize);
  }

 private:
  int fd_;
  verity::SectorCipher* cipher_;
  std::vector<std::byte> buffer_{};
};

struct Filled {
  std::string diff_id;
  erofs::ImageInfo image;
};

// The first pass: tar in, data area out.
Result<Filled> FillDataArea(const SealLayerOptions& options, const TarSource& source,
                            const fs::path& directory, FileSink& sink) {
  erofs::ImageOptions image_options{.spool_directory = directory};
  image_options.limits.image_bytes = options.max_data_size;
  LOCKET_TRY_ASSIGN(auto builder, erofs::ImageBuilder::Create(image_options, sink));
  uint64_t input_bytes = 0;
  const auto counted = [&](std::span<std::byte> out) -> Result<size_t> {
    auto got = source(out);
    if (got.ok()) input_bytes += *got;
    if (got.ok() && options.on_progress) options.on_progress(input_bytes);
    return got;
  };
  verity::Sha256 tar_hash;
  const auto hash = [&](std::span<const std::byte> bytes) { tar_hash.Update(bytes); };
  LOCKET_TRY(builder.AddTar(counted, hash).While("read the layer's tar"));
  const std::string diff_id = verity::DigestText(tar_hash.Finish());
  LOCKET_TRY_ASSIGN(const auto image,
                    builder.Finish(verity::ErofsUuidForDiffId(diff_id)).While("lay out the layer"));
  return Filled{.diff_id = diff_id, .image = image};
}

struct Hashed {
  verity::Sha256Digest blob;
  verity::Sha256Digest root;
};

// The second pass: hashes the data area as it is stored, and appends the hash area.
Result<Hashed> AppendHashArea(int fd, const verity::Layout& layout, const verity::Salt& salt) {
  verity::Sha256 blob_hash;
  verity::HashTreeBuilder tree(salt);
  std::vector<std::byte> chunk(std::min(kChunk, layout.data_size));
  for (uint64_t offset = 0; offset < layout.data_size; offset += chunk.size()) {
    chunk.resize(std::min(kChunk, layout.data_size - offset));
    LOCKET_TRY(PreadFull(fd, chunk, offset));
    // Two independent hashes of the same bytes; the machine has more than one core.
    std::thread blob_thread([&] { blob_hash.Update(chunk); });
    tree.Append(chunk);
    blob_thread.join();
  }
  uint64_t offset = layout.superblock_offset;
  const auto write = [&](std::span<const std::byte> bytes) -> Status {
    blob_hash.Update(bytes);
    LOCKET_TRY(PwriteFull(fd, bytes, offset));
    offset += bytes.size();
    return Ok();
  };
  LOCKET_TRY(write(verity::EncodeSuperblock(verity::SuperblockFor(salt, layout))));
  LOCKET_TRY_ASSIGN(const verity::Sha256Digest root, tree.Finish(write));
  return Hashed{.blob = blob_hash.Finish(), .root = root};
}

}  // namespace

Result<SealedLayer> SealLayer(const SealLayerOptions& options, const TarSource& source,
                              const fs::path& path) {
  std::optional<Secret> key;
  std::optional<verity::SectorCipher> cipher;
  if (options.encrypt) {
    LOCKET_TRY_ASSIGN(Secret fresh, verity::GenerateLayerKey());
    key.emplace(std::move(fresh));
    LOCKET_TRY_ASSIGN(verity::SectorCipher made, verity::SectorCipher::Create(*key));
    cipher.emplace(std::move(made));
  }
  LOCKET_TRY_ASSIGN(PendingFile file, PendingFile::Create(path));
  FileSink sink(file.fd(), cipher.has_value() ? &*cipher : nullptr);
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  LOCKET_TRY_ASSIGN(const Filled filled, FillDataArea(options, source, directory, sink));
  LOCKET_TRY_ASSIGN(const verity::Layout layout, verity::LayoutFor(filled.image.size_bytes));
  verity::Salt salt = verity::SaltForDiffId(filled.diff_id);
  if (options.encrypt) {
    LOCKET_TRY_ASSIGN(salt, verity::RandomSalt());
  }
  LOCKET_TRY_ASSIGN(const Hashed hashed, AppendHashArea(file.fd(), layout, salt));
  LOCKET_TRY(file.Commit().While("write '" + path.string() + "'"));
  return SealedLayer{.blob_digest = verity::DigestText(hashed.blob),
                     .blob_size = layout.blob_size,
                     .data_size = layout.data_size,
                     .root_hash = hashed.root,
                     .salt = salt,
                     .diff_id = filled.diff_id,
                     .key = std::move(key),
                     .ignored_xattrs = filled.image.ignored_xattrs};
}

Status ExtractLayer(int fd, const verity::LayerIdentity& identity, const Secret* key, int out_fd) {
  std::optional<verity::SectorCipher> cipher;
  if (key != nullptr) {
    LOCKET_TRY_ASSIGN(verity::SectorCipher made, verity::SectorCipher::Create(*key));
    cipher.emplace(std::move(made));
  }
  const auto write = [&](uint64_t first_block, std::span<std::byte> blocks) -> Status {
    if (cipher.has_value()) LOCKET_TRY(cipher->Decrypt(first_block, blocks));
    return WriteFull(out_fd, blocks);
  };
  return verity::VerifyLayer(fd, identity, write);
}

}  // namespace locket::image
