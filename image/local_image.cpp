#include "image/local_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"
#include "image/docker_archive.h"
#include "image/local_files.h"
#include "image/media_type.h"

namespace locket::image {
namespace {

constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr int kMaxIndexDepth = 4;
constexpr size_t kPiece = 1U << 20;

Result<ManifestContent> ReadDocument(LocalFiles& files, const Descriptor& descriptor) {
  if (descriptor.size > kMaxManifestBytes) {
    return Error(ErrorCode::kResourceExhausted,
                 descriptor.digest.ToText() + ": a manifest above 4 MiB");
  }
  LOCKET_TRY_ASSIGN(std::string bytes,
                    ReadLocalFile(files, BlobName(descriptor.digest), kMaxManifestBytes));
  if (bytes.size() != descriptor.size || Digest::Of(bytes) != descriptor.digest) {
    return Error(ErrorCode::kDataLoss,
                 "'" + BlobName(descriptor.digest) + "' is not what its name says");
  }
  return ManifestContent{.descriptor = descriptor, .bytes = std::move(bytes)};
}

// The index entries that bear `tag`, as an index of their own.
Result<Index> EntriesFor(const Index& index, const std::string& tag) {
  Index chosen{.media_type = index.media_type, .manifests = {}};
  std::string there;
  for (const auto& entry : index.manifests) {
    const auto name = entry.annotations.find(std::string(kRefName));
    const bool named = name != entry.annotations.end();
    if (tag.empty() || (named && name->second == tag)) chosen.manifests.push_back(entry);
    if (named) there += (there.empty() ? "" : ", ") + name->second;
  }
  if (tag.empty() && chosen.manifests.size() > 1) {
    return Error(ErrorCode::kNotFound, "several images, so name one; there are: " + there);
  }
  if (!chosen.manifests.empty()) return chosen;
  return Error(ErrorCode::kNotFound, "no image '" + tag + "'; there are: " +
                                         (there.empty() ? "none with a name" : there));
}

// Follows indexes down to one manifest.
Result<ManifestContent> FindManifest(LocalFiles& files, Index index, const Platform& platform) {
  for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
    const auto nested = std::ranges::find_if(
        index.manifests, [](const auto& entry) { return IsIndex(entry.media_type); });
    if (nested == index.manifests.end()) {
      LOCKET_TRY_ASSIGN(const auto descriptor, SelectPlatform(index, platform));
      return ReadDocument(files, descriptor);
    }
    LOCKET_TRY_ASSIGN(const auto document, ReadDocument(files, *nested));
    LOCKET_TRY_ASSIGN(index, DecodeIndex(document.bytes));
  }
  return Error(ErrorCode::kInvalidArgument, "indexes of indexes, nested too deeply");
}

// An OCI layout, in a directory or out of an archive.
class LayoutSource final : public ImageSource {
 public:
  LayoutSource(std::unique_ptr<LocalFiles> files, Index entries, Platform platform)
      : files_(std::move(files)), entries_(std::move(entries)), platform_(std::move(platform)) {}

  Result<ManifestContent> GetManifest() override {
    return FindManifest(*files_, entries_, platform_);
  }
  // Several entries of one name are platforms without an index of their own; one is picked.
  Result<ManifestContent> GetTop() override {
    if (entries_.manifests.size() > 1) return GetManifest();
    return ReadDocument(*files_, entries_.manifests.front());
  }
  Result<ManifestContent> GetNested(const Descriptor& document) override {
    return ReadDocument(*files_, document);
  }

  Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(UniqueFd fd, files_->Open(BlobName(blob.digest)));
    return MakeFileStream(std::move(fd), blob);
  }
  Result<UniqueFd> OpenBlobFile(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(UniqueFd fd, files_->Open(BlobName(blob.digest)));
    LOCKET_TRY(CheckFile(fd.get(), blob));
    return fd;
  }

 private:
  std::unique_ptr<LocalFiles> files_;
  Index entries_;
  Platform platform_;
};

Result<std::unique_ptr<ImageSource>> OpenLayout(std::unique_ptr<LocalFiles> files,
                                                const std::string& tag, const Platform& platform) {
  const auto version = ReadLocalFile(*files, "oci-layout", 4096);
  if (!version.ok()) {
    return Error(ErrorCode::kInvalidArgument,
                 "not an OCI image layout: " + version.error().message());
  }
  LOCKET_TRY_ASSIGN(const std::string text, ReadLocalFile(*files, "index.json", kMaxManifestBytes));
  LOCKET_TRY_ASSIGN(const Index index, DecodeIndex(text).While("'index.json'"));
  LOCKET_TRY_ASSIGN(Index entries, EntriesFor(index, tag));
  auto source = std::make_unique<LayoutSource>(std::move(files), std::move(entries), platform);
  LOCKET_TRY(source->GetTop());  // a damaged layout is noticed now
  return std::unique_ptr<ImageSource>(std::move(source));
}

std::string_view LayerTypeOf(std::span<const std::byte> first) {
  constexpr std::string_view kGzip = "\x1f\x8b";
  constexpr std::string_view kZstd = "\x28\xb5\x2f\xfd";
  if (AsText(first).starts_with(kGzip)) return kOciLayerGzip;
  return AsText(first).starts_with(kZstd) ? kOciLayerZstd : kOciLayerTar;
}

Result<Digest> DigestOf(int fd, uint64_t size) {
  DigestHasher hasher;
  std::vector<std::byte> piece(std::min<uint64_t>(kPiece, size));
  for (uint64_t done = 0; done < size;) {
    const auto part = std::span(piece).first(std::min<uint64_t>(piece.size(), size - done));
    LOCKET_TRY(PreadFull(fd, part, done));
    hasher.Update(part);
    done += part.size();
  }
  return hasher.Finish();
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
  LOCKET_TRY_ASSIGN(layer.digest, DigestOf(fd, size));
  return layer;
}

// `docker save`: layers under names of their own; the manifest is made up here.
class DockerArchiveSource final : public ImageSource {
 public:
  DockerArchiveSource(std::unique_ptr<LocalFiles> files, DockerArchiveImage image)
      : files_(std::move(files)), image_(std::move(image)) {}

  Status Load() {
    LOCKET_TRY_ASSIGN(config_, ReadLocalFile(*files_, image_.config, kMaxConfigBytes));
    LOCKET_TRY_ASSIGN(const ImageConfig config, DecodeImageConfig(config_));
    if (config.diff_ids.size() != image_.layers.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   "the config and manifest.json differ in the number "
                   "of layers");
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
    LOCKET_TRY_ASSIGN(const std::string name, NameOf(blob));
    LOCKET_TRY_ASSIGN(UniqueFd fd, files_->Open(name));
    LOCKET_TRY(CheckFile(fd.get(), blob));
    return fd;
  }

  Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) override {
    LOCKET_TRY_ASSIGN(const std::string name, NameOf(blob));
    LOCKET_TRY_ASSIGN(UniqueFd fd, files_->Open(name));
    return MakeFileStream(std::move(fd), blob);
  }

 private:
  Result<std::string> NameOf(const Descriptor& blob) const {
    if (blob.digest == Digest::Of(config_)) return image_.config;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i].digest == blob.digest) return image_.layers[i];
    }
    return Error(ErrorCode::kNotFound, "the image has no blob " + blob.digest.ToText());
  }

  std::unique_ptr<LocalFiles> files_;
  DockerArchiveImage image_;
  std::string config_;
  std::string manifest_;
  std::vector<Descriptor> layers_;
};

Result<std::unique_ptr<ImageSource>> OpenDockerArchive(std::unique_ptr<LocalFiles> files,
                                                       const std::string& tag) {
  const auto text = ReadLocalFile(*files, "manifest.json", kMaxManifestBytes);
  if (!text.ok()) {
    return Error(ErrorCode::kInvalidArgument, "not from 'docker save': " + text.error().message());
  }
  LOCKET_TRY_ASSIGN(const auto images, DecodeDockerArchiveManifest(*text));
  LOCKET_TRY_ASSIGN(auto image, SelectDockerImage(images, tag));
  auto source = std::make_unique<DockerArchiveSource>(std::move(files), std::move(image));
  LOCKET_TRY(source->Load());
  return std::unique_ptr<ImageSource>(std::move(source));
}

Result<UniqueFd> OpenArchive(const ImageLocation& location) {
  if (location.transport != Transport::kStream) return OpenFile(location.path, O_RDONLY);
  // Not by its name in /dev, which cannot be opened where it is a socket or somebody else's.
  UniqueFd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "standard input");
  return fd;
}

Result<std::unique_ptr<ImageSource>> Open(const ImageLocation& location,
                                          const OpenSourceOptions& options) {
  if (location.transport == Transport::kOciLayout) {
    return OpenLayout(MakeDirectoryFiles(location.path), location.tag, options.platform);
  }
  LOCKET_TRY_ASSIGN(UniqueFd archive, OpenArchive(location));
  LOCKET_TRY_ASSIGN(auto files,
                    UnpackArchive(std::move(archive), options.temporary_directory, options.stop));
  const bool is_layout =
      location.transport == Transport::kOciArchive ||
      (location.transport == Transport::kStream && files->Open("oci-layout").ok());
  if (is_layout) {
    return OpenLayout(std::move(files), location.tag, options.platform);
  }
  return OpenDockerArchive(std::move(files), location.tag);
}

}  // namespace

std::filesystem::path DefaultTemporaryDirectory() {
  const char* chosen = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
  return chosen == nullptr || *chosen == '\0' ? "/tmp" : chosen;
}

Result<std::unique_ptr<ImageSource>> OpenLocalSource(const ImageLocation& location,
                                                     const OpenSourceOptions& options) {
  if (location.transport == Transport::kRegistry) {
    return Error(ErrorCode::kInvalidArgument, "'" + location.ToText() + "' is not on this disk");
  }
  return Open(location, options).While("open image '" + location.ToText() + "'");
}

}  // namespace locket::image
