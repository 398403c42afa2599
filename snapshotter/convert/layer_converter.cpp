#include "snapshotter/convert/layer_converter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "erofs/decompressor.h"
#include "image/seal/convert_layer.h"
#include "snapshotter/convert/converted_image.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;
namespace {

// Left to those who write less: the store, and other snapshots.
constexpr uint64_t kSpareBytes = 64U << 20;
constexpr size_t kPieceBytes = 1U << 20;

// A data area's hash area takes another 127th.
uint64_t WithHashes(uint64_t data_bytes) { return data_bytes + data_bytes / 127; }

// How large a data area may become: its hash area takes another 127th.
uint64_t RoomFor(const fs::path& directory) {
  std::error_code failed;
  const auto space = fs::space(directory, failed);
  if (failed) return verity::kMaxDataSize;  // writing will tell
  const uint64_t free_bytes = space.available > kSpareBytes ? space.available - kSpareBytes : 0;
  return std::min(free_bytes / 128 * 127 / verity::kBlockSize * verity::kBlockSize,
                  verity::kMaxDataSize);
}

Result<size_t> ReadSome(int fd, std::span<std::byte> out) {
  while (true) {
    const ssize_t got = ::read(fd, out.data(), out.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return Error::FromErrno(errno, "read the fetched layer");
  }
}

bool IsWorthKeeping(const Status& outcome) {
  if (outcome.ok()) return false;  // the sealed one takes its place
  const ErrorCode code = outcome.error().code();
  return code == ErrorCode::kCancelled || code == ErrorCode::kResourceExhausted ||
         code == ErrorCode::kUnavailable;
}

}  // namespace

Result<std::shared_ptr<const BlobCache::Pin>> LayerConverter::Convert(const LayerToConvert& layer) {
  const image::Digest key = image::RecordKey(layer.diff_id, layer.over);
  if (auto pin = FindConverted(key)) {
    deps_.history.LayerWasKnown();
    return pin;
  }
  const std::string source = layer.blob.digest.ToText();
  const fs::path path = deps_.root.converting() / key.Hex();
  Result<SharedPin> sealed = Error(ErrorCode::kInternal, "not converted");
  {
    const BlobCache::Pin pin(deps_.blobs, {source});
    LOCKET_TRY(deps_.blobs.Ensure(layer.reference, layer.blob));
    sealed = SealAndAdopt(layer, path);
  }
  const Status outcome = sealed.ok() ? Ok() : Status(sealed.error());
  if (!outcome.ok()) ::unlink(path.c_str());  // sealed, and not adopted; else there is none
  if (IsWorthKeeping(outcome)) return sealed;
  if (const Status gone = deps_.blobs.Discard(source); !gone.ok()) {
    log::Warning("leaving a layer that was converted to the next clean-up",
                 {{"blob", source}, log::Field(gone.error())});
  }
  return sealed;
}

// nullptr: it was not converted, or its blob is gone.
std::shared_ptr<const BlobCache::Pin> LayerConverter::FindConverted(
    const image::Digest& key) const {
  const auto layer = deps_.records.Find(key);
  if (!layer) return nullptr;
  const auto descriptor = image::DescriptorOf(*layer);
  if (!descriptor.ok()) return nullptr;
  const std::string digest = layer->blob_digest.ToText();
  auto pin = SharePin(deps_.blobs, layer->blob_digest);
  if (!deps_.blobs.Has(digest, descriptor->size)) return nullptr;
  deps_.blobs.Touch(digest);
  return pin;
}

Result<std::shared_ptr<const BlobCache::Pin>> LayerConverter::SealAndAdopt(
    const LayerToConvert& layer, const fs::path& path) {
  LOCKET_TRY_ASSIGN(const image::ConvertedLayer sealed, Seal(layer, path));
  return Adopt(sealed, path);
}

Result<image::ConvertedLayer> LayerConverter::Seal(const LayerToConvert& layer,
                                                   const fs::path& path) {
  auto sealed = TrySealing(layer, path);
  const auto is_full = [&sealed] {
    return !sealed.ok() && sealed.error().code() == ErrorCode::kResourceExhausted;
  };
  if (!is_full()) return sealed;
  // Rather what nobody needs now goes than that somebody does not get what he needs; but nothing
  // goes for a layer that even then would not fit. A sealed layer is about as large as its tar.
  LOCKET_TRY_ASSIGN(const uint64_t tar_bytes, TarBytes(layer));
  LOCKET_TRY_ASSIGN(const bool made_room,
                    deps_.blobs.MakeRoom(WithHashes(tar_bytes) + kSpareBytes));
  if (!made_room) return sealed;
  sealed = TrySealing(layer, path);
  if (!is_full()) return sealed;
  LOCKET_TRY_ASSIGN(const TrimResult trimmed, deps_.blobs.TrimTo({}));
  return trimmed.num_removed > 0 ? TrySealing(layer, path) : sealed;
}

// The layer's blob, as it travels, until the snapshotter stops.
Result<erofs::ByteSource> LayerConverter::SourceOf(const LayerToConvert& layer) const {
  LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(deps_.root.blob(layer.blob.digest.ToText()), O_RDONLY));
  // Shared, as a function has to be copyable.
  return erofs::ByteSource(
      [stop = deps_.stop, file = std::make_shared<const UniqueFd>(std::move(fd))](
          std::span<std::byte> out) -> Result<size_t> {
        if (stop.stop_requested()) {
          return Error(ErrorCode::kCancelled, "the snapshotter is stopping");
        }
        return ReadSome(file->get(), out);
      });
}

Result<uint64_t> LayerConverter::TarBytes(const LayerToConvert& layer) const {
  LOCKET_TRY_ASSIGN(auto blob, SourceOf(layer));
  LOCKET_TRY_ASSIGN(auto tar, erofs::Decompressor::Open(std::move(blob)));
  std::vector<std::byte> piece(kPieceBytes);
  uint64_t bytes = 0;
  while (true) {
    LOCKET_TRY_ASSIGN(const size_t got, tar.Read(piece));
    if (got == 0) return bytes;
    bytes += got;
  }
}

Result<image::ConvertedLayer> LayerConverter::TrySealing(const LayerToConvert& layer,
                                                         const fs::path& path) const {
  LOCKET_TRY_ASSIGN(const auto read, SourceOf(layer));
  // A copy, as sealing adds the layer's own; the image that is written says them once more.
  erofs::LowerDirectories lower;
  if (layer.lower != nullptr) lower = *layer.lower;
  const uint64_t room = RoomFor(deps_.root.converting());
  const image::SealLayerOptions how{.durable = false,  // the blob cache sees to that
                                    .max_data_size = room,
                                    .lower = layer.lower == nullptr ? nullptr : &lower};
  auto sealed = image::ConvertLayer(how, read, layer.diff_id, path);
  if (sealed.ok()) sealed->over = layer.over;
  // A layer meets other limits, too; this one is named in the message.
  const bool is_full = !sealed.ok() && sealed.error().code() == ErrorCode::kResourceExhausted &&
                       sealed.error().message().find(std::to_string(room)) != std::string::npos;
  if (!is_full) return sealed;
  return Error(ErrorCode::kResourceExhausted,
               sealed.error().message() + "; '" + deps_.root.converting().string() +
                   "' has room for " + std::to_string(room) +
                   ": remove images, or give the directory more space");
}

Result<std::shared_ptr<const BlobCache::Pin>> LayerConverter::Adopt(
    const image::ConvertedLayer& layer, const fs::path& path) {
  PassFailpoint("layer-sealed");
  const std::string digest = layer.blob_digest.ToText();
  auto pin = SharePin(deps_.blobs, layer.blob_digest);
  LOCKET_TRY(deps_.blobs.Adopt(digest, path));
  PassFailpoint("layer-adopted");
  LOCKET_TRY(deps_.records.Put(layer));
  PassFailpoint("conversion-recorded");
  LOCKET_TRY_ASSIGN(const auto descriptor, image::DescriptorOf(layer));
  deps_.history.LayerWasConverted(descriptor.size);
  return pin;
}

}  // namespace locket::snapshotter
