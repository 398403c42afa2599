#include "image/local/docker_archive.h"

#include <algorithm>
#include <utility>

#include "image/oci/json_object.h"
#include "image/oci/manifest.h"
#include "image/oci/reference.h"

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

// Adds `image`, or only its names if it is there.
void Add(DockerArchiveImage image, std::vector<DockerArchiveImage>& images) {
  const auto same = std::ranges::find_if(images, [&](const DockerArchiveImage& there) {
    return there.config == image.config && there.layers == image.layers;
  });
  if (same == images.end()) {
    images.push_back(std::move(image));
    return;
  }
  same->repo_tags.insert(same->repo_tags.end(), image.repo_tags.begin(), image.repo_tags.end());
}

// An ID of a layer, which becomes a part of file names.
bool IsLegacyId(std::string_view id) {
  return !id.empty() && id.size() <= 64 &&
         id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<std::vector<DockerArchiveImage>> DecodeDockerArchiveManifest(std::string_view text) {
  constexpr std::string_view kDoing = "read manifest.json";
  if (text.size() > kMaxManifestBytes) {
    return Error(ErrorCode::kInvalidArgument, "read manifest.json: larger than 4 MiB");
  }
  LOCKET_TRY_ASSIGN(json list, ParseJson(text, {.max_bytes = kMaxManifestBytes}).While(kDoing));
  if (!list.is_array() || list.size() > kMaxImages) {
    return Error(ErrorCode::kInvalidArgument, "read manifest.json: not a list of images");
  }
  std::vector<DockerArchiveImage> images;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].is_null()) continue;
    FieldReader reader(list[i], "[" + std::to_string(i) + "]");
    DockerArchiveImage image{.config = reader.RequiredText("Config"),
                             .layers = reader.TextList("Layers"),
                             .repo_tags = reader.TextList("RepoTags")};
    if (image.layers.size() > kMaxLayers) {
      reader.Fail("Layers", "more than " + std::to_string(kMaxLayers) + " entries");
    }
    LOCKET_TRY(Status(reader.status()).While(kDoing));
    Add(std::move(image), images);
  }
  return images;
}

Result<std::vector<DockerArchiveImage>> DecodeDockerRepositories(std::string_view text) {
  constexpr std::string_view kDoing = "read repositories";
  LOCKET_TRY_ASSIGN(const json document,
                    ParseJsonObject(text, {.max_bytes = kMaxManifestBytes}).While(kDoing));
  std::vector<DockerArchiveImage> images;
  for (const auto& [name, tags] : document.items()) {
    if (tags.is_null()) continue;
    if (!tags.is_object() || images.size() + tags.size() > kMaxImages) {
      return Error(ErrorCode::kInvalidArgument, "read repositories: '" + name + "': not its tags");
    }
    for (const auto& [tag, id] : tags.items()) {
      if (id.is_null()) continue;
      if (!id.is_string() || !IsLegacyId(id.get_ref<const std::string&>())) {
        return Error(ErrorCode::kInvalidArgument,
                     "read repositories: '" + name + ":" + tag + "': not the ID of a layer");
      }
      Add({.config = id.get<std::string>(), .layers = {}, .repo_tags = {name + ":" + tag}}, images);
    }
  }
  return images;
}

Result<std::string> ParentOfLegacyLayer(std::string_view text) {
  LOCKET_TRY_ASSIGN(json document, ParseJsonObject(text, {.max_bytes = kMaxConfigBytes}));
  FieldReader reader(document, "");
  std::string parent = reader.Text("parent");
  if (!parent.empty() && !IsLegacyId(parent)) reader.Fail("parent", "not the ID of a layer");
  LOCKET_TRY(reader.status());
  return parent;
}

Result<std::string> ConfigOfLegacyLayer(std::string_view text,
                                        const std::vector<Digest>& diff_ids) {
  LOCKET_TRY_ASSIGN(json document, ParseJsonObject(text, {.max_bytes = kMaxConfigBytes}));
  for (const char* own : {"id", "parent", "Size"}) document.erase(own);
  // Docker ran on nothing else when it wrote neither.
  for (const auto& [name, value] : {std::pair{"architecture", "amd64"}, std::pair{"os", "linux"}}) {
    if (!document.contains(name) || document[name].is_null()) document[name] = value;
  }
  json list = json::array();
  for (const auto& diff_id : diff_ids) list.push_back(diff_id.ToText());
  document["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(list)}};
  return DumpJson(document);
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
