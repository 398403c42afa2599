// A registry's image behind image/'s source and target.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "image/image_source.h"
#include "registry/client.h"

namespace locket::registry {

// Blobs pass through an unlinked file in `temporary_directory`.
std::unique_ptr<image::ImageSource> MakeRegistrySource(
    RegistryClient& client, const image::Reference& image, const image::Platform& platform,
    const std::filesystem::path& temporary_directory, const CallOptions& call = {});

std::unique_ptr<image::ImageTarget> MakeRegistryTarget(RegistryClient& client,
                                                       const image::Reference& image,
                                                       const CallOptions& call = {});

}  // namespace locket::registry
