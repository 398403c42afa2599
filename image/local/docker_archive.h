// For image/'s .cpp files, and its fuzz target: what `docker save` writes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/local/local_files.h"
#include "image/oci/digest.h"
#include "image/oci/image_source.h"

namespace locket::image {

struct DockerArchiveImage {
  std::string config;                    // file names within the archive
  std::vector<std::string> layers;       // bottom first
  std::vector<std::string> repo_tags{};  // "name:tag"

  bool operator==(const DockerArchiveImage&) const = default;
};

// manifest.json. An image that is listed once for each of its names is one image here.
// kInvalidArgument: not such a file.
Result<std::vector<DockerArchiveImage>> DecodeDockerArchiveManifest(std::string_view json);

// `repositories`, which is all that Docker before 1.10 wrote. `config` is the topmost layer's ID;
// there are no layers yet. kInvalidArgument: not such a file.
Result<std::vector<DockerArchiveImage>> DecodeDockerRepositories(std::string_view json);

// Of `<id>/json` of such an archive: the ID of the layer below, "" if there is none.
Result<std::string> ParentOfLegacyLayer(std::string_view json);
// The config that the image has today, from its topmost layer's `json` and its layers' diff IDs.
Result<std::string> ConfigOfLegacyLayer(std::string_view json, const std::vector<Digest>& diff_ids);

// The one image that bears `tag` ("name:tag" as saved, or a reference that means the same), or the
// only one if `tag` is empty. kNotFound: lists those there are.
Result<DockerArchiveImage> SelectDockerImage(const std::vector<DockerArchiveImage>& images,
                                             std::string_view tag);

// kInvalidArgument: not from `docker save`. kNotFound: no image of that tag, or a file is missing.
Result<std::unique_ptr<ImageSource>> OpenDockerArchive(std::unique_ptr<LocalFiles> files,
                                                       const std::string& tag);

}  // namespace locket::image
