// The half of Converter that works on one layer: fetch, seal, give to the blob cache, remember. A
// kill on the way leaves files that start-up removes, or a blob that nothing refers to.
#include "image/seal/convert_layer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "erofs/decompressor.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/convert/converter_jobs.h"
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

void Converter::RunLayer(const std::shared_ptr<LayerJob>& job) {
  const auto began = deps_.clock.Steady();
  {
    const std::lock_guard lock(mutex_);
    ++figures_.layers_running;
  }
  auto converted = ConvertLayer(*job).While("layer " + job->blob.digest.ToText());
  const std::lock_guard lock(mutex_);
  layers_.erase(job->diff_id);
  Count(converted.ok() ? Ok() : Status(converted.error()), began);
  for (const auto& image : std::exchange(job->wanted_by, {})) {
    if (image->outcome) continue;
    if (!converted.ok()) {
      // Another image's registry may have what this one's lacks.
      image->image.reference == job->reference ? Conclude(*image, converted.error())
                                               : WantLayer(image, job->diff_id);
      continue;
    }
    image->pins.push_back(*converted);
    if (--image->num_missing == 0) Enqueue([this, image] { FinishImage(image); });
  }
  // Nobody but the image has its pins once this lock is free.
  if (converted.ok()) converted->reset();
}

Result<std::shared_ptr<const BlobCache::Pin>> Converter::ConvertLayer(const LayerJob& job) {
  const image::Digest key = image::RecordKey(job.diff_id, job.over);
  if (auto pin = FindConverted(key)) {
    const std::lock_guard lock(mutex_);
    ++figures_.layers_known;
    return pin;
  }
  const std::string source = job.blob.digest.ToText();
  const fs::path path = deps_.root.converting() / key.Hex();
  Result<std::shared_ptr<const BlobCache::Pin>> adopted =
      Error(ErrorCode::kInternal, "not converted");
  {
    const BlobCache::Pin pin(deps_.blobs, {source});
    LOCKET_TRY(deps_.blobs.Ensure(job.reference, job.blob));
    auto layer = SealBlob(job, path);
    if (layer.ok())
      adopted = Adopt(*layer, path);
    else
      adopted = std::move(layer).error();
  }
  const Status outcome = adopted.ok() ? Ok() : Status(adopted.error());
  if (!outcome.ok()) ::unlink(path.c_str());  // sealed, and not adopted; else there is none
  if (IsWorthKeeping(outcome)) return adopted;
  if (const Status gone = deps_.blobs.Discard(source); !gone.ok()) {
    log::Warning("leaving a layer that was converted to the next clean-up",
                 {{"blob", source}, log::Field(gone.error())});
  }
  return adopted;
}

// nullptr: it was not converted, or its blob is gone.
std::shared_ptr<const BlobCache::Pin> Converter::FindConverted(const image::Digest& key) {
  const auto layer = records_->Find(key);
  if (!layer) return nullptr;
  const auto descriptor = image::DescriptorOf(*layer);
  if (!descriptor.ok()) return nullptr;
  const std::string digest = layer->blob_digest.ToText();
  auto pin = PinOne(layer->blob_digest);
  if (!deps_.blobs.Has(digest, descriptor->size)) return nullptr;
  deps_.blobs.Touch(digest);
  return pin;
}

Result<image::ConvertedLayer> Converter::SealBlob(const LayerJob& job, const fs::path& path) {
  auto layer = TrySealing(job, path);
  const auto is_full = [&layer] {
    return !layer.ok() && layer.error().code() == ErrorCode::kResourceExhausted;
  };
  if (!is_full()) return layer;
  // Rather what nobody needs now goes than that somebody does not get what he needs; but nothing
  // goes for a layer that even then would not fit. A sealed layer is about as large as its tar.
  LOCKET_TRY_ASSIGN(const uint64_t tar_bytes, TarBytes(job));
  LOCKET_TRY_ASSIGN(const bool made_room,
                    deps_.blobs.MakeRoom(WithHashes(tar_bytes) + kSpareBytes));
  if (!made_room) return layer;
  layer = TrySealing(job, path);
  if (!is_full()) return layer;
  LOCKET_TRY_ASSIGN(const TrimResult trimmed, deps_.blobs.TrimTo({}));
  return trimmed.num_removed > 0 ? TrySealing(job, path) : layer;
}

// The layer's blob, as it travels, until the snapshotter stops.
Result<erofs::ByteSource> Converter::SourceOf(const LayerJob& job) const {
  LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(deps_.root.blob(job.blob.digest.ToText()), O_RDONLY));
  // Shared, as a function has to be copyable.
  return erofs::ByteSource([this, file = std::make_shared<const UniqueFd>(std::move(fd))](
                               std::span<std::byte> out) -> Result<size_t> {
    if (stop_.stop_requested()) {
      return Error(ErrorCode::kCancelled, "the snapshotter is stopping");
    }
    return ReadSome(file->get(), out);
  });
}

Result<uint64_t> Converter::TarBytes(const LayerJob& job) const {
  LOCKET_TRY_ASSIGN(auto blob, SourceOf(job));
  LOCKET_TRY_ASSIGN(auto tar, erofs::Decompressor::Open(std::move(blob)));
  std::vector<std::byte> piece(kPieceBytes);
  uint64_t bytes = 0;
  while (true) {
    LOCKET_TRY_ASSIGN(const size_t got, tar.Read(piece));
    if (got == 0) return bytes;
    bytes += got;
  }
}

Result<image::ConvertedLayer> Converter::TrySealing(const LayerJob& job, const fs::path& path) {
  LOCKET_TRY_ASSIGN(const auto read, SourceOf(job));
  // A copy, as sealing adds the layer's own; the image that is written says them once more.
  erofs::LowerDirectories lower;
  if (job.lower != nullptr) lower = *job.lower;
  const uint64_t room = RoomFor(deps_.root.converting());
  const image::SealLayerOptions how{.durable = false,  // the blob cache sees to that
                                    .max_data_size = room,
                                    .lower = job.lower == nullptr ? nullptr : &lower};
  auto layer = image::ConvertLayer(how, read, job.diff_id, path);
  if (layer.ok()) layer->over = job.over;
  // A layer meets other limits, too; this one is named in the message.
  const bool is_full = !layer.ok() && layer.error().code() == ErrorCode::kResourceExhausted &&
                       layer.error().message().find(std::to_string(room)) != std::string::npos;
  if (!is_full) return layer;
  return Error(ErrorCode::kResourceExhausted,
               layer.error().message() + "; '" + deps_.root.converting().string() +
                   "' has room for " + std::to_string(room) +
                   ": remove images, or give the directory more space");
}

Result<std::shared_ptr<const BlobCache::Pin>> Converter::Adopt(const image::ConvertedLayer& layer,
                                                               const fs::path& path) {
  PassFailpoint("layer-sealed");
  const std::string digest = layer.blob_digest.ToText();
  auto pin = PinOne(layer.blob_digest);
  LOCKET_TRY(deps_.blobs.Adopt(digest, path));
  PassFailpoint("layer-adopted");
  LOCKET_TRY(records_->Put(layer));
  PassFailpoint("conversion-recorded");
  LOCKET_TRY_ASSIGN(const auto descriptor, image::DescriptorOf(layer));
  const std::lock_guard lock(mutex_);
  ++figures_.layers_converted;
  figures_.sealed_bytes += descriptor.size;
  return pin;
}

}  // namespace locket::snapshotter
