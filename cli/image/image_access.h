// Opens images by the names that the command line has for them: on disk or in a registry.
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
  std::string creds_file{};  // empty: the files of docker and podman
  std::filesystem::path hosts_dir = "/etc/containerd/certs.d";
  std::filesystem::path temporary_directory = image::DefaultTemporaryDirectory();
  std::string platform{};  // "os/architecture[/variant]"; empty: Linux on this machine
};

// Reads "linux/amd64" or "linux/arm/v7". kInvalidArgument: a text of another form.
Result<image::Platform> ParsePlatform(const std::string& text);

struct TargetOptions {
  // Where the blobs come from. If that is another repository of the target's registry, the registry
  // takes them over and they are not sent.
  const image::ImageLocation* mount_from = nullptr;
  // Gets the bytes of an archive that is named "-".
  image::ByteSink stream{};
  bool show_progress = false;  // show uploads in the Progress that Create was given
};

// Opens sources and targets of one command. These must not outlive it. Registries share one client,
// with its connections and credentials. Thread-safe, and so are the sources and targets that
// registry and layout give.
class ImageAccess {
 public:
  // `stop` ends transfers. `progress`, if not null, shows the bytes downloaded, and outlives this.
  // kInvalidArgument: the platform is malformed. kNotFound: creds_file does not exist. Nothing is
  // connected to yet.
  static Result<std::unique_ptr<ImageAccess>> Create(const ImageAccessOptions& options,
                                                     std::stop_token stop,
                                                     Progress* progress = nullptr);
  ~ImageAccess();

  // Opens what `location` names: an image, an index or an artifact. A registry is asked for the
  // first time when the source is read.
  Result<std::unique_ptr<image::ImageSource>> OpenSource(const image::ImageLocation& location);
  // As OpenSource, for commands that read one image. kNotFound: a platform was asked for, and the
  // image is not in an index and is for another platform.
  Result<std::unique_ptr<image::ImageSource>> OpenImage(const image::ImageLocation& location);
  // Opens a place to write an image to. kInvalidArgument: a docker archive, which can only be read,
  // or a layout without a tag.
  Result<std::unique_ptr<image::ImageTarget>> OpenTarget(const image::ImageLocation& location,
                                                         const TargetOptions& options = {});

 private:
  ImageAccess(image::Platform platform, const ImageAccessOptions& options, std::stop_token stop,
              Progress* progress);
  // Makes the client at the first registry, so that damaged credentials files do not matter to
  // commands without one.
  Result<registry::RegistryClient*> Client();
  // Returns the function that the registry client calls with the bytes that its threads have moved.
  std::function<void(uint64_t done, uint64_t total)> Meter();

  const ImageAccessOptions options_;
  image::Platform platform_;
  std::stop_token stop_;
  Progress* progress_;
  Mutex mutex_;
  std::unique_ptr<registry::RegistryClient> client_ LOCKET_GUARDED_BY(mutex_);
  std::map<std::thread::id, uint64_t> moved_
      LOCKET_GUARDED_BY(mutex_);  // for the blob of each thread
};

}  // namespace locket::cli
