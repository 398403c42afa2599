// Images as the command line names them: on disk or in a registry.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "image/image_source.h"
#include "image/reference.h"

namespace locket::registry {
class RegistryClient;
}

namespace locket::cli {

struct ImageAccessOptions {
  std::string creds_file{};  // empty: where docker and podman keep them
  std::filesystem::path hosts_dir = "/etc/containerd/certs.d";
  std::filesystem::path temporary_directory = std::filesystem::temp_directory_path();
  std::string platform{};  // "os/architecture[/variant]"; empty: this machine's
};

// "linux/amd64", "linux/arm/v7". kInvalidArgument: anything else.
Result<image::Platform> ParsePlatform(const std::string& text);

// Opens sources and targets, which must not outlive it.
class ImageAccess {
 public:
  static Result<std::unique_ptr<ImageAccess>> Create(const ImageAccessOptions& options,
                                                     std::stop_token stop);
  ~ImageAccess();

  Result<std::unique_ptr<image::ImageSource>> OpenSource(const image::ImageLocation& location);
  // kInvalidArgument: an archive, or a layout without a tag.
  Result<std::unique_ptr<image::ImageTarget>> OpenTarget(const image::ImageLocation& location);

 private:
  ImageAccess(std::unique_ptr<registry::RegistryClient> client, image::Platform platform,
              std::filesystem::path temporary_directory, std::stop_token stop);

  std::unique_ptr<registry::RegistryClient> client_;
  image::Platform platform_;
  std::filesystem::path temporary_directory_;
  std::stop_token stop_;
};

}  // namespace locket::cli
