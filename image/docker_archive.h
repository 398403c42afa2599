// For image/'s .cpp files, and its fuzz target: manifest.json of `docker save`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::image {

struct DockerArchiveImage {
  std::string config;                    // file names within the archive
  std::vector<std::string> layers;       // bottom first
  std::vector<std::string> repo_tags{};  // "name:tag"
};

// kInvalidArgument: not such a file.
Result<std::vector<DockerArchiveImage>> DecodeDockerArchiveManifest(std::string_view json);

// The one image that bears `tag` ("name:tag" as saved, or a reference that means the same), or the
// only one if `tag` is empty. kNotFound: lists those there are.
Result<DockerArchiveImage> SelectDockerImage(const std::vector<DockerArchiveImage>& images,
                                             std::string_view tag);

}  // namespace locket::image
