// An image in a registry as an ImageSource and as an ImageTarget (image/oci/image_source.h).
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "image/oci/image_source.h"
#include "registry/client.h"

namespace locket::registry {

// Returns a source for `image` on `platform`. `client` outlives it. OpenBlobFile downloads to a
// file without a name in `temporary_directory`. Nothing is asked for before the first call.
std::unique_ptr<image::ImageSource> MakeRegistrySource(
    RegistryClient& client, const image::Reference& image, const image::Platform& platform,
    const std::filesystem::path& temporary_directory, const CallOptions& call = {});

// Returns a target that pushes to `image`. `client` outlives it. Blobs that `mount_from`, another
// repository of the same registry, has are taken over from there instead of being sent.
std::unique_ptr<image::ImageTarget> MakeRegistryTarget(RegistryClient& client,
                                                       const image::Reference& image,
                                                       const CallOptions& call = {},
                                                       const std::string& mount_from = {});

}  // namespace locket::registry
