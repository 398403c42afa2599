#include "image/seal/seal_layer.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/pending_file.h"
#include "erofs/decompressor.h"
#include "erofs/image_builder.h"
#include "erofs/image_reader.h"
#include "erofs/merge_directories.h"
#include "image/seal/chunk_ring.h"
#include "image/seal/data_area.h"
#include "image/seal/layer_accounts.h"
#include "verity/hash_tree.h"
#include "verity/sector_cipher.h"
#include "verity/superblock.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
// Large enough for a hand-over between threads (some 20 us) to cost nothing, small enough for the
// second reader of a chunk to find it in the cache.
constexpr size_t kChunk = 1U << 20;
constexpr size_t kNumChunks = 6;
constexpr uint64_t kMaxRatio = 1000;  // of gzip it is 1032, but only of zeros

// Puts blocks where they belong in the file, encrypted on the way if the layer is.
class FileSink final : public erofs::BlockSink {
 public:
  FileSink(int fd, const fs::path& path, verity::SectorCipher* cipher)
      : fd_(fd), path_(path), cipher_(cipher) {}

  Status Write(uint64_t first_block, std::span<std::byte> blocks) override {
    if (cipher_ != nullptr) LOCKET_TRY(cipher_->Encrypt(first_block, blocks));
    return PwriteFull(fd_, blocks, first_block * verity::kBlockSize)
        .While("'" + path_.string() + "'");
  }

 private:
  int fd_;
  const fs::path& path_;  // for messages: a full disk has a name
  verity::SectorCipher* cipher_;
};

// Reads until `out` is full, or to the end.
Result<size_t> ReadUpTo(erofs::Decompressor& tar, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    LOCKET_TRY_ASSIGN(const size_t got, tar.Read(out.subspan(done)));
    if (got == 0) break;
    done += got;
  }
  return done;
}

Error Bomb() {
  return {ErrorCode::kResourceExhausted,
          "the layer unpacks to more than " + std::to_string(kMaxRatio) + " times its size"};
}

// This thread takes the tar out of its compression, one hashes it, one lays out, encrypts and
// writes. Returns the diff ID.
Result<std::string> TakeTar(const SealLayerOptions& options, const TarSource& source,
                            erofs::ImageBuilder& builder) {
  uint64_t input_bytes = 0;
  const auto counted = [&](std::span<std::byte> out) -> Result<size_t> {
    auto got = source(out);
    if (got.ok()) input_bytes += *got;
    if (got.ok() && options.on_progress) options.on_progress(input_bytes);
    return got;
  };
  LOCKET_TRY_ASSIGN(auto tar, erofs::Decompressor::Open(counted));
  ChunkRing ring(/*num_readers=*/2, kNumChunks, kChunk);
  verity::Sha256 tar_hash;
  std::thread hasher(
      [&] { ring.ForEach(0, [&](std::span<const std::byte> chunk) { tar_hash.Update(chunk); }); });
  Status built = Ok();
  std::thread layout([&] {
    built = builder.AddTar([&] { return ring.Next(1); });
    ring.Leave(1);
  });
  uint64_t tar_bytes = 0;
  const Status read = ring.Fill([&](std::span<std::byte> out) -> Result<size_t> {
    LOCKET_TRY_ASSIGN(const size_t got, ReadUpTo(tar, out));
    tar_bytes += got;
    const bool suspicious = tar_bytes > options.unsuspicious_bytes;
    if (suspicious && tar_bytes / kMaxRatio > input_bytes) return Bomb();
    return got;
  });
  hasher.join();
  layout.join();
  // The reader's error first: the builder knows for which entry it was to be read.
  LOCKET_TRY(built);
  LOCKET_TRY(read);
  return verity::DigestText(tar_hash.Finish());
}

struct Filled {
  std::string diff_id;
  erofs::ImageInfo image;
};

// The first pass: tar in, data area out.
Result<Filled> FillDataArea(const SealLayerOptions& options, const TarSource& source,
                            const fs::path& directory, FileSink& sink) {
  erofs::ImageOptions image_options{.spool_directory = directory};
  image_options.limits.image_bytes = options.max_data_size;
  if (options.compress) image_options.compression = erofs::Compression::kLz4;
  LOCKET_TRY_ASSIGN(auto builder, erofs::ImageBuilder::Create(image_options, sink));
  LOCKET_TRY_ASSIGN(std::string diff_id,
                    TakeTar(options, source, builder).While("read the layer's tar"));
  LOCKET_TRY_ASSIGN(const auto image,
                    builder.Finish(verity::ErofsUuidForDiffId(diff_id), options.lower)
                        .While("lay out the layer"));
  return Filled{.diff_id = std::move(diff_id), .image = image};
}

// Reads the plain bytes of the data area that was written, a window of sectors at a time.
class DataArea {
 public:
  DataArea(int fd, verity::SectorCipher* cipher, uint64_t size)
      : fd_(fd), cipher_(cipher), size_(size) {}

  Status Read(uint64_t offset, std::span<std::byte> out) {
    while (!out.empty()) {
      if (offset < begin_ || offset >= begin_ + window_.size()) LOCKET_TRY(Load(offset));
      const auto have = std::span(window_).subspan(offset - begin_);
      const auto part = have.first(std::min(have.size(), out.size()));
      std::ranges::copy(part, out.begin());
      offset += part.size();
      out = out.subspan(part.size());
    }
    return Ok();
  }

 private:
  static constexpr uint64_t kWindow = 64U << 10;

  Status Load(uint64_t offset) {
    begin_ = offset / kWindow * kWindow;
    window_.resize(std::min(kWindow, size_ - begin_));
    LOCKET_TRY(PreadFull(fd_, window_, begin_));
    if (cipher_ == nullptr) return Ok();
    return cipher_->Decrypt(begin_ / verity::kBlockSize, window_);
  }

  int fd_;
  verity::SectorCipher* cipher_;
  uint64_t size_;
  uint64_t begin_ = 0;
  std::vector<std::byte> window_{};
};

// What other steps of sealing an image have to know of the file system that was written.
Result<LayerAccounts> LookInto(int fd, verity::SectorCipher* cipher, uint64_t size,
                               erofs::LowerDirectories* lower) {
  DataArea area(fd, cipher, size);
  LOCKET_TRY_ASSIGN(
      const auto image,
      erofs::ImageReader::Open(
          [&](uint64_t offset, std::span<std::byte> out) { return area.Read(offset, out); }, size));
  if (lower != nullptr) LOCKET_TRY(erofs::MergeDirectories(image, *lower));
  return ReadLayerAccounts(image);
}

struct Hashed {
  verity::Sha256Digest blob;
  verity::Sha256Digest root;
};

// The second pass: hashes the data area as it is stored, which has to wait for block 0, the last to
// be written, and appends the hash area.
Result<Hashed> AppendHashArea(int fd, const verity::Layout& layout, const verity::Salt& salt) {
  verity::Sha256 blob_hash;
  verity::HashTreeBuilder tree(salt, layout);
  LOCKET_TRY(HashDataArea(fd, layout.data_size, tree, &blob_hash));
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

Result<Secret> LayerKeyFor(const SealLayerOptions& options) {
  if (options.given_key == nullptr) return verity::GenerateLayerKey();
  const auto given = options.given_key->key.Reveal();
  Secret key(given.size());
  std::ranges::copy(given, key.Reveal().begin());
  return key;
}

}  // namespace

Result<SealedLayer> SealLayer(const SealLayerOptions& options, const TarSource& source,
                              const fs::path& path) {
  std::optional<Secret> key;
  std::optional<verity::SectorCipher> cipher;
  if (options.encrypt) {
    LOCKET_TRY_ASSIGN(Secret chosen, LayerKeyFor(options));
    key.emplace(std::move(chosen));
    LOCKET_TRY_ASSIGN(verity::SectorCipher made, verity::SectorCipher::Create(*key));
    cipher.emplace(std::move(made));
  }
  LOCKET_TRY_ASSIGN(PendingFile file, PendingFile::Create(path));
  FileSink sink(file.fd(), path, cipher.has_value() ? &*cipher : nullptr);
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  LOCKET_TRY_ASSIGN(const Filled filled, FillDataArea(options, source, directory, sink));
  LOCKET_TRY_ASSIGN(auto accounts,
                    LookInto(file.fd(), cipher ? &*cipher : nullptr, filled.image.size_bytes,
                             options.is_top ? nullptr : options.lower)
                        .While("read the layer that was laid out"));
  LOCKET_TRY_ASSIGN(const verity::Layout layout, verity::LayoutFor(filled.image.size_bytes));
  verity::Salt salt = verity::SaltForDiffId(filled.diff_id);
  if (options.encrypt && options.given_key != nullptr) {
    salt = options.given_key->salt;
  } else if (options.encrypt) {
    LOCKET_TRY_ASSIGN(salt, verity::RandomSalt());
  }
  LOCKET_TRY_ASSIGN(const Hashed hashed,
                    AppendHashArea(file.fd(), layout, salt).While("'" + path.string() + "'"));
  LOCKET_TRY(file.Commit(0644, options.durable ? Durability::kPowerCut : Durability::kNone)
                 .While("write '" + path.string() + "'"));
  return SealedLayer{.blob_digest = verity::DigestText(hashed.blob),
                     .blob_size = layout.blob_size,
                     .data_size = layout.data_size,
                     .root_hash = hashed.root,
                     .salt = salt,
                     .diff_id = filled.diff_id,
                     .key = std::move(key),
                     .ignored_xattrs = filled.image.ignored_xattrs,
                     .accounts = std::move(accounts)};
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
