#include "cli/image/image_access.h"

#include <utility>
#include <vector>

#include "cli/image/seal_image.h"
#include "image/local/local_image.h"
#include "image/oci/media_type.h"
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
    return Error(
        ErrorCode::kInvalidArgument,
        "'" + text + "' is not a platform; write OS/ARCHITECTURE[/VARIANT], such as linux/amd64");
  }
  return image::Platform{.architecture = parts[1],
                         .os = parts[0],
                         .variant = parts.size() == 3 ? parts[2] : std::string()};
}

Result<std::unique_ptr<ImageAccess>> ImageAccess::Create(const ImageAccessOptions& options,
                                                         std::stop_token stop, Progress* progress) {
  image::Platform platform = image::HostPlatform();
  if (!options.platform.empty()) {
    LOCKET_TRY_ASSIGN(platform, ParsePlatform(options.platform));
  }
  std::error_code missing;
  if (!options.creds_file.empty() && !std::filesystem::exists(options.creds_file, missing)) {
    return Error(ErrorCode::kNotFound,
                 "credentials file '" + options.creds_file + "' does not exist");
  }
  return std::unique_ptr<ImageAccess>(
      new ImageAccess(std::move(platform), options, std::move(stop), progress));
}

ImageAccess::ImageAccess(image::Platform platform, const ImageAccessOptions& options,
                         std::stop_token stop, Progress* progress)
    : options_(options),
      platform_(std::move(platform)),
      stop_(std::move(stop)),
      progress_(progress) {}

Result<registry::RegistryClient*> ImageAccess::Client() {
  const MutexLock lock(mutex_);
  if (!client_) {
    registry::ClientOptions options;
    options.certs_directory = options_.hosts_dir;
    options.credentials = registry::CredentialStore::Load(
        options_.creds_file.empty() ? registry::DefaultCredentialFiles()
                                    : std::vector<std::filesystem::path>{options_.creds_file});
    LOCKET_TRY_ASSIGN(client_, registry::RegistryClient::Create(std::move(options)));
  }
  return client_.get();
}

ImageAccess::~ImageAccess() = default;

Result<std::unique_ptr<image::ImageSource>> ImageAccess::OpenSource(
    const image::ImageLocation& location) {
  if (location.transport != Transport::kRegistry) {
    return image::OpenLocalSource(location, {.platform = platform_,
                                             .temporary_directory = options_.temporary_directory,
                                             .stop = stop_});
  }
  LOCKET_TRY_ASSIGN(auto* client, Client());
  return registry::MakeRegistrySource(*client, *location.reference, platform_,
                                      options_.temporary_directory,
                                      {.stop = stop_, .progress = Meter()});
}

Result<std::unique_ptr<image::ImageSource>> ImageAccess::OpenImage(
    const image::ImageLocation& location) {
  LOCKET_TRY_ASSIGN(auto source, OpenSource(location));
  if (options_.platform.empty()) return source;
  // What an index says of its images counts, as for containerd.
  LOCKET_TRY_ASSIGN(const auto top, source->GetTop());
  if (image::IsIndex(top.descriptor.media_type)) return source;
  LOCKET_TRY_ASSIGN(const auto documents, ReadDocuments(*source));
  const image::Platform platform = documents.config.platform();
  if (image::PlatformRank(platform_, platform)) return source;
  return Error(ErrorCode::kNotFound, "'" + location.ToText() + "' is an image for " +
                                         platform.ToText() + ", not for " + platform_.ToText());
}

std::function<void(uint64_t, uint64_t)> ImageAccess::Meter() {
  if (progress_ == nullptr) return {};
  return [this](uint64_t done, uint64_t /*total*/) {
    uint64_t more = done;
    {
      const MutexLock lock(mutex_);
      uint64_t& before = moved_[std::this_thread::get_id()];
      if (done >= before) more = done - before;  // else it is another blob, or a new attempt
      before = done;
    }
    progress_->Add(more);
  };
}

Result<std::unique_ptr<image::ImageTarget>> ImageAccess::OpenTarget(
    const image::ImageLocation& location, const TargetOptions& options) {
  switch (location.transport) {
    case Transport::kRegistry: {
      const auto* from = options.mount_from;
      const bool same = from != nullptr && from->transport == Transport::kRegistry &&
                        from->reference->registry == location.reference->registry &&
                        from->reference->repository != location.reference->repository;
      registry::CallOptions call{.stop = stop_};
      if (options.show_progress) call.progress = Meter();
      LOCKET_TRY_ASSIGN(auto* client, Client());
      return registry::MakeRegistryTarget(*client, *location.reference, call,
                                          same ? from->reference->repository : "");
    }
    case Transport::kOciLayout:
      if (!location.tag.empty()) return image::OpenLayoutTarget(location.path, location.tag);
      return Error(ErrorCode::kInvalidArgument,
                   "'" + location.ToText() + "' has no tag: write oci:DIR:TAG");
    case Transport::kOciArchive:
      return image::OpenArchiveTarget(location.path, location.tag);
    case Transport::kStream:
      return image::OpenStreamTarget(options.stream);
    case Transport::kDockerArchive:
      break;
  }
  return Error(
      ErrorCode::kInvalidArgument,
      "'" + location.ToText() + "': docker archives can only be read; use oci-archive:FILE");
}

}  // namespace locket::cli
