// What `docker save` writes, as an image.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"
#include "image/local/docker_archive.h"
#include "image/local/local_files.h"
#include "image/oci/manifest.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

std::string_view LayerTypeOf(std::span<const std::byte> first) {
  constexpr std::string_view kGzip = "\x1f\x8b";
  constexpr std::string_view kZstd = "\x28\xb5\x2f\xfd";
  if (AsText(first).starts_with(kGzip)) return kOciLayerGzip;
  return AsText(first).starts_with(kZstd) ? kOciLayerZstd : kOciLayerTar;
}

// Docker saves tars, whose digest is the diff ID. crane and Bazel write them in gzip, and Docker's
// containerd store leaves them as they were pulled: then only the file itself knows its digest.
Result<Descriptor> DescribeLayer(int fd, const Digest& diff_id) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, "stat");
  const auto size = static_cast<uint64_t>(status.st_size);
  std::array<std::byte, 4> first{};
  LOCKET_TRY(PreadFull(fd, std::span(first).first(std::min<uint64_t>(first.size(), size)), 0));
  Descriptor layer{.media_type = std::string(LayerTypeOf(first)), .digest = diff_id, .size = size};
  if (layer.media_type == kOciLayerTar) return layer;
  LOCKET_TRY_ASSIGN(layer.digest, DigestOfFile(fd, size));
  return layer;
}

Result<UniqueFd> FileOf(std::string_view content) {
  UniqueFd fd(::memfd_create("config", MFD_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno(errno, "memfd_create");
  LOCKET_TRY(PwriteFull(fd.get(), AsBytes(content), 0));
  return fd;
}

// Layers under names of their own; the manifest is made up here.
class DockerArchiveSource final : public ImageSource {
 public:
  DockerArchiveSource(std::unique_ptr<LocalFiles> files, DockerArchiveImage image)
      : files_(std::move(files)), image_(std::move(image)) {}

  // `made_config` is the config where the archive has none as a file.
  Status Load(std::optional<std::string> made_config) {
    if (made_config) {
      config_ = std::move(*made_config);
    } else {
      LOCKET_TRY_ASSIGN(config_, ReadLocalFile(*files_, image_.config, kMaxConfigBytes));
    }
    LOCKET_TRY_ASSIGN(const ImageConfig config, DecodeImageConfig(config_));
    if (config.diff_ids.size() != image_.layers.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   "the config and manifest.json differ in the number of layers");
    }
    Manifest manifest{.media_type = std::string(kOciManifest),
                      .config = DescriptorOf(kOciConfig, config_),
                      .layers = {}};
    for (size_t i = 0; i < image_.layers.size(); ++i) {
      LOCKET_TRY_ASSIGN(const UniqueFd fd, files_->Open(image_.layers[i]));
      LOCKET_TRY_ASSIGN(
          Descriptor layer,
          DescribeLayer(fd.get(), config.diff_ids[i]).While("'" + image_.layers[i] + "'"));
      manifest.layers.push_back(std::move(layer));
    }
    layers_ = manifest.layers;
    manifest_ = EncodeManifest(manifest);
    return Ok();
  }

  Result<ManifestContent> GetManifest() override {
    return ManifestContent{.descriptor = DescriptorOf(kOciManifest, manifest_), .bytes = manifest_};
  }

  Result<ManifestContent> GetTop() override { return GetManifest(); }

  Result<ManifestContent> GetNested(const Descriptor& document) override {
    return Error(ErrorCode::kNotFound,
                 "a docker archive holds no " + document.digest.ToText() + ", nor any index");
  }

  Result<UniqueFd> OpenBlobFile(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(UniqueFd fd, Open(blob));
    LOCKET_TRY(CheckFile(fd.get(), blob));
    return fd;
  }

  Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(UniqueFd fd, Open(blob));
    return MakeFileStream(std::move(fd), blob);
  }

 private:
  Result<UniqueFd> Open(const Descriptor& blob) const {
    if (blob.digest == Digest::Of(config_)) return FileOf(config_);
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i].digest == blob.digest) return files_->Open(image_.layers[i]);
    }
    return Error(ErrorCode::kNotFound, "the image has no blob " + blob.digest.ToText());
  }

  std::unique_ptr<LocalFiles> files_;
  DockerArchiveImage image_;
  std::string config_;
  std::string manifest_;
  std::vector<Descriptor> layers_;
};

// What Docker before 1.10 wrote: layer `image.config` and its parents, each a directory with `json`
// and `layer.tar`. Fills image.layers, and answers the config that the image has today.
Result<std::string> LoadLegacy(LocalFiles& files, DockerArchiveImage& image) {
  std::string top;
  std::vector<Digest> diff_ids;
  for (std::string id = image.config; !id.empty();) {
    if (image.layers.size() == kMaxLayers) {
      return Error(ErrorCode::kResourceExhausted,
                   "more than " + std::to_string(kMaxLayers) + " layers");
    }
    LOCKET_TRY_ASSIGN(const std::string text, ReadLocalFile(files, id + "/json", kMaxConfigBytes));
    if (top.empty()) top = text;
    const std::string layer = id + "/layer.tar";
    LOCKET_TRY_ASSIGN(const UniqueFd fd, files.Open(layer));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, "stat");
    LOCKET_TRY_ASSIGN(const Digest diff_id,
                      DigestOfFile(fd.get(), static_cast<uint64_t>(status.st_size)));
    image.layers.push_back(layer);
    diff_ids.push_back(diff_id);
    LOCKET_TRY_ASSIGN(id, ParentOfLegacyLayer(text).While("'" + id + "/json'"));
  }
  std::ranges::reverse(image.layers);
  std::ranges::reverse(diff_ids);
  return ConfigOfLegacyLayer(top, diff_ids);
}

}  // namespace

Result<std::unique_ptr<ImageSource>> OpenDockerArchive(std::unique_ptr<LocalFiles> files,
                                                       const std::string& tag) {
  const auto text = ReadLocalFile(*files, "manifest.json", kMaxManifestBytes);
  const bool may_be_legacy = !text.ok() && text.error().code() == ErrorCode::kNotFound;
  const auto list = may_be_legacy ? ReadLocalFile(*files, "repositories", kMaxManifestBytes) : text;
  if (!list.ok()) {
    return Error(ErrorCode::kInvalidArgument, "not from 'docker save': " + text.error().message());
  }
  LOCKET_TRY_ASSIGN(const auto images, may_be_legacy ? DecodeDockerRepositories(*list)
                                                     : DecodeDockerArchiveManifest(*list));
  LOCKET_TRY_ASSIGN(auto image, SelectDockerImage(images, tag));
  std::optional<std::string> config;
  if (may_be_legacy) {
    LOCKET_TRY_ASSIGN(config, LoadLegacy(*files, image));
  }
  auto source = std::make_unique<DockerArchiveSource>(std::move(files), std::move(image));
  LOCKET_TRY(source->Load(std::move(config)));
  return std::unique_ptr<ImageSource>(std::move(source));
}

}  // namespace locket::image
