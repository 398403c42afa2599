// A registry's image behind image/'s source and target.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "image/oci/image_source.h"
#include "registry/client.h"

namespace locket::registry {

// Blobs pass through an unlinked file in `temporary_directory`.
std::unique_ptr<image::ImageSource> MakeRegistrySource(
    RegistryClient& client, const image::Reference& image, const image::Platform& platform,
    const std::filesystem::path& temporary_directory, const CallOptions& call = {});

// Blobs that `mount_from`, another repository of the same registry, has are taken over from there.
std::unique_ptr<image::ImageTarget> MakeRegistryTarget(RegistryClient& client,
                                                       const image::Reference& image,
                                                       const CallOptions& call = {},
                                                       const std::string& mount_from = {});

}  // namespace locket::registry
