// Images as the command line names them: on disk or in a registry.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"
#include "cli/progress.h"
#include "image/local/local_image.h"
#include "image/oci/image_source.h"
#include "image/oci/reference.h"

namespace locket::registry {
class RegistryClient;
}

namespace locket::cli {

struct ImageAccessOptions {
  std::string creds_file{};  // empty: where docker and podman keep them
  std::filesystem::path hosts_dir = "/etc/containerd/certs.d";
  std::filesystem::path temporary_directory = image::DefaultTemporaryDirectory();
  std::string platform{};  // "os/architecture[/variant]"; empty: this machine's
};

// "linux/amd64", "linux/arm/v7". kInvalidArgument: anything else.
Result<image::Platform> ParsePlatform(const std::string& text);

struct TargetOptions {
  // Its blobs need not be sent if the target is another repository of the same registry.
  const image::ImageLocation* mount_from = nullptr;
  // Where an archive goes that is named "-".
  image::ByteSink stream{};
  bool show_progress = false;  // of uploads, in the Progress that Create was given
};

// Opens sources and targets, which must not outlive it.
class ImageAccess {
 public:
  // `progress` (may be null) is told of what is downloaded.
  static Result<std::unique_ptr<ImageAccess>> Create(const ImageAccessOptions& options,
                                                     std::stop_token stop,
                                                     Progress* progress = nullptr);
  ~ImageAccess();

  Result<std::unique_ptr<image::ImageSource>> OpenSource(const image::ImageLocation& location);
  // The same for what is to be an image of the platform that was asked for, if one was. kNotFound:
  // it stands alone, and is of another.
  Result<std::unique_ptr<image::ImageSource>> OpenImage(const image::ImageLocation& location);
  // kInvalidArgument: a docker archive, or a layout without a tag.
  Result<std::unique_ptr<image::ImageTarget>> OpenTarget(const image::ImageLocation& location,
                                                         const TargetOptions& options = {});

 private:
  ImageAccess(image::Platform platform, const ImageAccessOptions& options, std::stop_token stop,
              Progress* progress);
  // Made for the first registry: what credentials files say is nothing to commands without one.
  Result<registry::RegistryClient*> Client();
  // For the registry client: bytes moved, by whichever thread.
  std::function<void(uint64_t done, uint64_t total)> Meter();

  const ImageAccessOptions options_;
  image::Platform platform_;
  std::stop_token stop_;
  Progress* progress_;
  Mutex mutex_;
  std::unique_ptr<registry::RegistryClient> client_ LOCKET_GUARDED_BY(mutex_);
  std::map<std::thread::id, uint64_t> moved_ LOCKET_GUARDED_BY(mutex_);  // of each one's blob
};

}  // namespace locket::cli
