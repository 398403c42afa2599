// The parts of seal_image.h that look at several images.
#include <utility>

#include "cli/image/seal_image.h"
#include "image/oci/index_walk.h"
#include "image/oci/media_type.h"

namespace locket::cli {
namespace {

struct Member {
  image::Descriptor entry;  // what the index says of it
  ImageDocuments image;
};

// The images of an index and of those in it. What is no image (an attestation of a build, an
// artifact) is left out.
Result<std::vector<Member>> ReadMembers(image::ImageSource& source,
                                        const image::ManifestContent& top) {
  std::vector<Member> members;
  const auto take = [&](const image::Descriptor& entry,
                        const image::ManifestContent& document) -> Status {
    if (image::IsIndex(document.descriptor.media_type)) return Ok();
    if (entry.platform && entry.platform->IsUnknown()) return Ok();
    LOCKET_TRY_ASSIGN(const auto manifest, image::DecodeManifest(document.bytes));
    if (!image::IsConfig(manifest.config.media_type)) return Ok();
    LOCKET_TRY_ASSIGN(auto documents, ReadDocuments(source, document));
    members.push_back({.entry = entry, .image = std::move(documents)});
    return Ok();
  };
  LOCKET_TRY(image::WalkDocuments(source, top, take));
  if (!members.empty()) return members;
  return Error(ErrorCode::kInvalidArgument, "the index has no images");
}

}  // namespace

std::string PlatformText(const image::ImageConfig& config) { return config.platform().ToText(); }

Result<SealIndexReport> SealIndex(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress) {
  LOCKET_TRY_ASSIGN(const auto top, source.GetTop());
  if (!image::IsIndex(top.descriptor.media_type)) {
    return Error(ErrorCode::kInvalidArgument, "the name points to one image, not to an index");
  }
  LOCKET_TRY_ASSIGN(image::Index index, image::DecodeIndex(top.bytes));
  LOCKET_TRY_ASSIGN(const auto members, ReadMembers(source, top));
  index.manifests.clear();
  index.unread.clear();
  SealIndexReport report{.index = top.descriptor, .images = {}};
  for (const auto& [entry, image] : members) {
    const std::string platform = PlatformText(image.config);
    LOCKET_TRY_ASSIGN(auto sealed,
                      SealNestedImage(source, image, target, options, progress).While(platform));
    index.manifests.push_back(entry);
    image::Retarget(index.manifests.back(), sealed.manifest);
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
  LOCKET_TRY_ASSIGN(const auto members, ReadMembers(source, top));
  for (const auto& [entry, image] : members) {
    found.insert(image.config.diff_ids.begin(), image.config.diff_ids.end());
  }
  return found;
}

}  // namespace locket::cli
