#include "image/docker_archive.h"

#include <algorithm>
#include <utility>

#include "image/json_object.h"
#include "image/manifest.h"
#include "image/reference.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr size_t kMaxImages = 1024;

bool Bears(const DockerArchiveImage& image, std::string_view tag) {
  const auto wanted = ParseReference(tag);
  return std::ranges::any_of(image.repo_tags, [&](const std::string& saved) {
    if (saved == tag) return true;
    const auto reference = ParseReference(saved);
    return wanted.ok() && reference.ok() && *wanted == *reference;
  });
}

}  // namespace

Result<std::vector<DockerArchiveImage>> DecodeDockerArchiveManifest(std::string_view text) {
  constexpr std::string_view kDoing = "read manifest.json";
  if (text.size() > kMaxManifestBytes) {
    return Error(ErrorCode::kInvalidArgument, "read manifest.json: larger than 4 MiB");
  }
  // The list gets a name, for our parser reads objects.
  LOCKET_TRY_ASSIGN(json document, ParseJsonObject("{\"images\":" + std::string(text) + "}",
                                                   kMaxManifestBytes + 16)
                                       .While(kDoing));
  json list = std::move(document["images"]);
  if (!list.is_array() || document.size() != 1 || list.size() > kMaxImages) {
    return Error(ErrorCode::kInvalidArgument, "read manifest.json: not a list of images");
  }
  std::vector<DockerArchiveImage> images;
  for (size_t i = 0; i < list.size(); ++i) {
    FieldReader reader(list[i], "[" + std::to_string(i) + "]");
    images.push_back({.config = reader.RequiredText("Config"),
                      .layers = reader.TextList("Layers"),
                      .repo_tags = reader.TextList("RepoTags")});
    if (images.back().layers.size() > kMaxLayers) {
      reader.Fail("Layers", "more than " + std::to_string(kMaxLayers) + " entries");
    }
    LOCKET_TRY(Status(reader.status()).While(kDoing));
  }
  return images;
}

Result<DockerArchiveImage> SelectDockerImage(const std::vector<DockerArchiveImage>& images,
                                             std::string_view tag) {
  if (tag.empty() && images.size() == 1) return images.front();
  std::string there;
  for (const auto& image : images) {
    if (!tag.empty() && Bears(image, tag)) return image;
    for (const auto& saved : image.repo_tags) there += (there.empty() ? "" : ", ") + saved;
  }
  return Error(
      ErrorCode::kNotFound,
      (tag.empty() ? "the archive holds " + std::to_string(images.size()) + " images, so name one"
                   : "no image '" + std::string(tag) + "' in the archive") +
          "; there are: " + (there.empty() ? "none with a name" : there));
}

}  // namespace locket::image
