#include "registry/registry_image.h"

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/nameless_file.h"
#include "base/unique_fd.h"
#include "image/oci/index_walk.h"
#include "image/oci/media_type.h"

namespace locket::registry {
namespace {

using image::Descriptor;
using image::ManifestContent;

// A blob that FetchBlobToFile has checked.
class CheckedFileStream final : public image::BlobStream {
 public:
  explicit CheckedFileStream(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<size_t> Read(std::span<std::byte> out) override {
    while (true) {
      const ssize_t n = ::pread(fd_.get(), out.data(), out.size(), offset_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error::FromErrno(errno, "read blob");
      offset_ += n;
      return static_cast<size_t>(n);
    }
  }

 private:
  UniqueFd fd_;
  off_t offset_ = 0;
};

class RegistrySource final : public image::ImageSource {
 public:
  RegistrySource(RegistryClient& client, image::Reference image, image::Platform platform,
                 std::filesystem::path directory, CallOptions call)
      : client_(client),
        image_(std::move(image)),
        platform_(std::move(platform)),
        directory_(std::move(directory)),
        call_(std::move(call)) {}

  // Each document is asked for once: a tag that moves meanwhile, or a registry that gives two
  // answers, must not have one of them checked and the other used.
  Result<ManifestContent> GetManifest() override {
    if (!manifest_) {
      LOCKET_TRY_ASSIGN(manifest_, FetchManifest());
    }
    return *manifest_;
  }
  Result<ManifestContent> GetTop() override {
    if (!top_) {
      LOCKET_TRY_ASSIGN(top_, client_.FetchManifest(image_, call_));
    }
    return *top_;
  }
  Result<ManifestContent> GetNested(const Descriptor& document) override {
    image::Reference by_digest = image_;
    by_digest.digest = document.digest;
    return client_.FetchManifest(by_digest, call_);
  }
  Result<UniqueFd> OpenBlobFile(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(UniqueFd fd, OpenNamelessFile(directory_));
    LOCKET_TRY(client_.FetchBlobToFile(image_, blob, fd.get(), call_));
    return fd;
  }
  Result<std::unique_ptr<image::BlobStream>> OpenBlob(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(UniqueFd fd, OpenBlobFile(blob));
    return std::unique_ptr<image::BlobStream>(std::make_unique<CheckedFileStream>(std::move(fd)));
  }

 private:
  Result<ManifestContent> FetchManifest() {
    LOCKET_TRY_ASSIGN(auto top, GetTop());
    if (!image::IsIndex(top.descriptor.media_type)) return top;
    const std::string doing = "image '" + image_.ToText() + "'";
    LOCKET_TRY_ASSIGN(const auto index, image::DecodeIndex(top.bytes).While(doing));
    return image::ChooseImage(*this, index, platform_).While(doing);
  }

  RegistryClient& client_;
  image::Reference image_;
  image::Platform platform_;
  std::filesystem::path directory_;
  CallOptions call_;
  std::optional<ManifestContent> top_{};
  std::optional<ManifestContent> manifest_{};
};

class RegistryTarget final : public image::ImageTarget {
 public:
  RegistryTarget(RegistryClient& client, image::Reference image, CallOptions call,
                 std::string mount_from)
      : client_(client),
        image_(std::move(image)),
        call_(std::move(call)),
        mount_from_(std::move(mount_from)) {}

  Result<bool> HasBlob(const Descriptor& blob) override {
    return client_.AdoptBlob(image_, blob, mount_from_, call_);
  }
  Status PutNested(const Descriptor& document, std::string_view bytes) override {
    image::Reference by_digest = image_;
    by_digest.tag.clear();
    by_digest.digest = document.digest;
    LOCKET_TRY(client_.PushManifest(by_digest, document.media_type, bytes, call_));
    return Ok();
  }

  Status PutBlob(const Descriptor& blob, int fd) override {
    return client_.PushBlob(image_, blob, fd, call_);
  }
  Status PutBlobBytes(const Descriptor& blob, std::string_view bytes) override {
    return client_.PushBlobBytes(image_, blob, bytes, call_);
  }
  Result<Descriptor> PutManifest(std::string_view media_type, std::string_view bytes) override {
    return client_.PushManifest(image_, media_type, bytes, call_);
  }

 private:
  RegistryClient& client_;
  image::Reference image_;
  CallOptions call_;
  std::string mount_from_;
};

}  // namespace

std::unique_ptr<image::ImageSource> MakeRegistrySource(
    RegistryClient& client, const image::Reference& image, const image::Platform& platform,
    const std::filesystem::path& temporary_directory, const CallOptions& call) {
  return std::make_unique<RegistrySource>(client, image, platform, temporary_directory, call);
}

std::unique_ptr<image::ImageTarget> MakeRegistryTarget(RegistryClient& client,
                                                       const image::Reference& image,
                                                       const CallOptions& call,
                                                       const std::string& mount_from) {
  return std::make_unique<RegistryTarget>(client, image, call, mount_from);
}

}  // namespace locket::registry
