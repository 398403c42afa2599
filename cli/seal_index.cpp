// The parts of seal_image.h that look at several images.
#include <utility>

#include "cli/seal_image.h"
#include "image/media_type.h"

namespace locket::cli {
namespace {

// What a build leaves beside its images, and says so: a manifest for no platform.
bool IsImage(const image::Descriptor& entry) {
  if (!image::IsManifest(entry.media_type)) return false;
  return !entry.platform || entry.platform->os != "unknown";
}

Result<ImageDocuments> ReadNested(image::ImageSource& source, const image::Descriptor& entry) {
  LOCKET_TRY_ASSIGN(auto content, source.GetNested(entry));
  return ReadDocuments(source, std::move(content));
}

// Entries of an index within an index are not looked for: builders make none.
Result<image::Index> ReadIndex(const image::ManifestContent& top) {
  if (!image::IsIndex(top.descriptor.media_type)) {
    return Error(ErrorCode::kInvalidArgument, "the name points at one image, not at an index");
  }
  LOCKET_TRY_ASSIGN(image::Index index, image::DecodeIndex(top.bytes));
  std::erase_if(index.manifests, [](const auto& entry) { return !IsImage(entry); });
  if (!index.manifests.empty()) return index;
  return Error(ErrorCode::kInvalidArgument, "the index has no images");
}

}  // namespace

std::string PlatformText(const image::ImageConfig& config) {
  return config.os + "/" + config.architecture +
         (config.variant.empty() ? "" : "/" + config.variant);
}

Result<SealIndexReport> SealIndex(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress) {
  LOCKET_TRY_ASSIGN(const auto top, source.GetTop());
  LOCKET_TRY_ASSIGN(image::Index index, ReadIndex(top));
  SealIndexReport report{.index = top.descriptor, .images = {}};
  for (auto& entry : index.manifests) {
    const std::string name = "manifest " + entry.digest.ToText();
    LOCKET_TRY_ASSIGN(const auto image, ReadNested(source, entry).While(name));
    const std::string platform = PlatformText(image.config);
    LOCKET_TRY_ASSIGN(auto sealed,
                      SealNestedImage(source, image, target, options, progress).While(platform));
    entry.media_type = sealed.manifest.media_type;
    entry.digest = sealed.manifest.digest;
    entry.size = sealed.manifest.size;
    report.images.emplace_back(platform, std::move(sealed));
  }
  index.media_type = image::kOciIndex;
  LOCKET_TRY_ASSIGN(
      report.index,
      target.PutManifest(image::kOciIndex, image::EncodeIndex(index)).While("push the index"));
  return report;
}

Result<std::set<image::Digest>> DiffIds(image::ImageSource& source) {
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadDocuments(source));
  return std::set<image::Digest>(image.config.diff_ids.begin(), image.config.diff_ids.end());
}

Result<std::set<image::Digest>> DiffIdsOfAll(image::ImageSource& source) {
  LOCKET_TRY_ASSIGN(const auto top, source.GetTop());
  if (!image::IsIndex(top.descriptor.media_type)) return DiffIds(source);
  std::set<image::Digest> found;
  LOCKET_TRY_ASSIGN(const image::Index index, ReadIndex(top));
  for (const auto& entry : index.manifests) {
    LOCKET_TRY_ASSIGN(const auto image, ReadNested(source, entry));
    found.insert(image.config.diff_ids.begin(), image.config.diff_ids.end());
  }
  return found;
}

}  // namespace locket::cli
