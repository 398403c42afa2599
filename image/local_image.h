// Images on disk: OCI layouts and archives, Docker archives. Target locket_image_local, apart from
// locket_image so that the guest does without libarchive.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "image/image_source.h"
#include "image/reference.h"

namespace locket::image {

struct OpenSourceOptions {
  Platform platform = HostPlatform();
  // Archives are unpacked in a directory of their own under this one, removed with the source.
  std::filesystem::path temporary_directory = std::filesystem::temp_directory_path();
};

// Any transport but kRegistry. kNotFound: no image of that tag; lists those there are.
Result<std::unique_ptr<ImageSource>> OpenLocalSource(const ImageLocation& location,
                                                     const OpenSourceOptions& options = {});

// An OCI image layout directory, made if it is not there. PutManifest replaces the index entry that
// bore `tag` before; other entries stay. Each file appears in full or not at all.
Result<std::unique_ptr<ImageTarget>> OpenLayoutTarget(const std::filesystem::path& path,
                                                      std::string_view tag);

}  // namespace locket::image
