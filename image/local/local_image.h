// Images on disk: OCI layouts and archives, Docker archives. Target locket_image_local, apart from
// locket_image so that the guest does without libarchive.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "image/oci/image_source.h"
#include "image/oci/reference.h"

namespace locket::image {

// $TMPDIR, or /tmp. That it is there is for whoever uses it to find out; unlike
// std::filesystem::temp_directory_path this throws nothing.
std::filesystem::path DefaultTemporaryDirectory();

struct OpenSourceOptions {
  Platform platform = HostPlatform();
  // Archives are unpacked in a directory of their own under this one, removed with the source.
  std::filesystem::path temporary_directory = DefaultTemporaryDirectory();
  std::stop_token stop{};  // ends the unpacking of an archive
};

// Any transport but kRegistry; a stream is standard input, and what is in it tells its kind.
// kNotFound: no image of that tag; lists those there are.
Result<std::unique_ptr<ImageSource>> OpenLocalSource(const ImageLocation& location,
                                                     const OpenSourceOptions& options = {});

// An OCI image layout directory, made if it is not there. PutManifest replaces the index entry that
// bore `tag` before; other entries stay. Each file appears in full or not at all.
Result<std::unique_ptr<ImageTarget>> OpenLayoutTarget(const std::filesystem::path& path,
                                                      std::string_view tag);

// An OCI layout in a tar file, which appears (or replaces what was there) when the manifest is put.
// `tag` may be empty.
Result<std::unique_ptr<ImageTarget>> OpenArchiveTarget(const std::filesystem::path& path,
                                                       std::string_view tag);

using ByteSink = std::function<Status(std::span<const std::byte>)>;

// The same as a stream. If it breaks off before the manifest, what was written holds no image.
Result<std::unique_ptr<ImageTarget>> OpenStreamTarget(ByteSink sink);

}  // namespace locket::image
