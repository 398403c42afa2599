#include "cli/check_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "base/file.h"
#include "image/key_packet.h"
#include "image/sealed_image.h"
#include "verity/verify_layer.h"

namespace locket::cli {
namespace {

constexpr size_t kPiece = 1U << 20;

// A file without a name, gone with its descriptor.
Result<UniqueFd> NamelessFile(const std::filesystem::path& directory) {
  LOCKET_TRY_ASSIGN(const TempDir holder, TempDir::Create(directory, "locket-verify-"));
  LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(holder.path() / "layer", O_RDWR | O_CREAT | O_EXCL));
  return fd;
}

Status Fetch(image::ImageSource& source, const image::Descriptor& layer, int fd,
             const VerifyImageOptions& options, Progress& progress) {
  LOCKET_TRY_ASSIGN(const auto blob, source.OpenBlob(layer));
  std::vector<std::byte> piece(kPiece);
  for (uint64_t done = 0;;) {
    if (options.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    LOCKET_TRY_ASSIGN(const size_t n, blob->Read(piece));
    if (n == 0) return Ok();
    LOCKET_TRY(PwriteFull(fd, std::span(piece).first(n), done));
    progress.Update(done += n);
  }
}

Status OpenKeyPacket(const Secret& kek, const image::SealedLayerInfo& info) {
  LOCKET_TRY_ASSIGN(const auto packet, image::DecodeKeyPacket(info.key_packet));
  LOCKET_TRY(image::UnwrapLayerKeyFor(kek, packet, info.identity));
  return Ok();
}

Status VerifyOne(image::ImageSource& source, const image::Descriptor& layer,
                 const image::SealedLayerInfo& info, const VerifyImageOptions& options,
                 Progress& progress) {
  // First, as it costs no download.
  if (options.kek != nullptr && info.encrypted()) {
    LOCKET_TRY(OpenKeyPacket(*options.kek, info).While("open its key packet"));
  }
  LOCKET_TRY_ASSIGN(const UniqueFd fd, NamelessFile(options.temporary_directory));
  LOCKET_TRY(Fetch(source, layer, fd.get(), options, progress).While("fetch"));
  return verity::VerifyLayer(fd.get(), info.identity).While("dm-verity");
}

}  // namespace

Status VerifyImage(image::ImageSource& source, const VerifyImageOptions& options,
                   Progress& progress) {
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadDocuments(source));
  if (!image::ClaimsToBeSealed(image.manifest)) {
    return Error(ErrorCode::kFailedPrecondition, "the image is not sealed");
  }
  LOCKET_TRY_ASSIGN(const auto infos, image::CheckSealedImage(image.manifest, image.config));
  for (size_t i = 0; i < infos.size(); ++i) {
    const auto& layer = image.manifest.layers[i];
    progress.Start("layer " + std::to_string(i + 1) + " of " + std::to_string(infos.size()),
                   layer.size);
    auto sound = VerifyOne(source, layer, infos[i], options, progress);
    if (!sound.ok()) {
      progress.Clear();
      return std::move(sound).While("layer " + std::to_string(i) + " (" + layer.digest.ToText() +
                                    ")");
    }
    const bool opened = options.kek != nullptr && infos[i].encrypted();
    progress.Finish(opened ? "sound, its key opens" : "sound");
  }
  return Ok();
}

}  // namespace locket::cli
