#include "cli/image_access.h"

#include <utility>
#include <vector>

#include "image/local_image.h"
#include "registry/client.h"
#include "registry/registry_image.h"

namespace locket::cli {

using image::Transport;

Result<image::Platform> ParsePlatform(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  bool good = parts.size() == 2 || parts.size() == 3;
  for (const auto& part : parts) good = good && !part.empty();
  if (!good) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + text + "' is no platform; say OS/ARCHITECTURE[/VARIANT], like linux/amd64");
  }
  return image::Platform{.architecture = parts[1],
                         .os = parts[0],
                         .variant = parts.size() == 3 ? parts[2] : std::string()};
}

Result<std::unique_ptr<ImageAccess>> ImageAccess::Create(const ImageAccessOptions& options,
                                                         std::stop_token stop) {
  image::Platform platform = image::HostPlatform();
  if (!options.platform.empty()) {
    LOCKET_TRY_ASSIGN(platform, ParsePlatform(options.platform));
  }
  std::error_code missing;
  if (!options.creds_file.empty() && !std::filesystem::exists(options.creds_file, missing)) {
    return Error(ErrorCode::kNotFound,
                 "credentials file '" + options.creds_file + "' is not there");
  }
  const auto files = options.creds_file.empty()
                         ? registry::DefaultCredentialFiles()
                         : std::vector<std::filesystem::path>{options.creds_file};
  LOCKET_TRY_ASSIGN(auto credentials, registry::CredentialStore::Load(files));
  registry::ClientOptions client_options;
  client_options.certs_directory = options.hosts_dir;
  client_options.credentials = std::move(credentials);
  LOCKET_TRY_ASSIGN(auto client, registry::RegistryClient::Create(std::move(client_options)));
  return std::unique_ptr<ImageAccess>(new ImageAccess(
      std::move(client), std::move(platform), options.temporary_directory, std::move(stop)));
}

ImageAccess::ImageAccess(std::unique_ptr<registry::RegistryClient> client, image::Platform platform,
                         std::filesystem::path temporary_directory, std::stop_token stop)
    : client_(std::move(client)),
      platform_(std::move(platform)),
      temporary_directory_(std::move(temporary_directory)),
      stop_(std::move(stop)) {}

ImageAccess::~ImageAccess() = default;

Result<std::unique_ptr<image::ImageSource>> ImageAccess::OpenSource(
    const image::ImageLocation& location) {
  if (location.transport != Transport::kRegistry) {
    return image::OpenLocalSource(
        location, {.platform = platform_, .temporary_directory = temporary_directory_});
  }
  return registry::MakeRegistrySource(*client_, *location.reference, platform_,
                                      temporary_directory_, {.stop = stop_});
}

Result<std::unique_ptr<image::ImageTarget>> ImageAccess::OpenTarget(
    const image::ImageLocation& location) {
  switch (location.transport) {
    case Transport::kRegistry:
      return registry::MakeRegistryTarget(*client_, *location.reference, {.stop = stop_});
    case Transport::kOciLayout:
      if (!location.tag.empty()) return image::OpenLayoutTarget(location.path, location.tag);
      return Error(ErrorCode::kInvalidArgument,
                   "'" + location.ToText() + "': name a tag, oci:DIR:TAG");
    default:
      return Error(ErrorCode::kInvalidArgument,
                   "'" + location.ToText() + "': a target is a registry reference or oci:DIR:TAG");
  }
}

}  // namespace locket::cli
