#include "image/local/local_image.h"

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
#include "image/local/docker_archive.h"
#include "image/local/local_files.h"
#include "image/oci/index_walk.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

// containerd's full name of an image that it exports.
constexpr std::string_view kImageName = "io.containerd.image.name";

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
  ManifestContent content{.descriptor = descriptor, .bytes = std::move(bytes)};
  if (content.descriptor.media_type.empty()) {
    LOCKET_TRY_ASSIGN(content.descriptor.media_type, DetectMediaType(content.bytes));
  }
  return content;
}

std::string AnnotationOf(const std::map<std::string, std::string>& annotations,
                         std::string_view name) {
  const auto found = annotations.find(std::string(name));
  return found == annotations.end() ? std::string() : found->second;
}

// Whether an entry of index.json is called `tag`: by its own name, or by containerd's full one.
bool Bears(const std::map<std::string, std::string>& annotations, const std::string& tag) {
  if (AnnotationOf(annotations, kRefName) == tag) return true;
  const auto full = ParseReference(AnnotationOf(annotations, kImageName));
  const auto wanted = ParseReference(tag);
  return full.ok() && wanted.ok() && *full == *wanted;
}

// The index entries that bear `tag`, as an index of their own. Several without any name are the
// platforms of one image.
Result<Index> EntriesFor(const Index& index, const std::string& tag) {
  Index chosen{.media_type = index.media_type, .manifests = {}};
  std::string there;
  for (const auto& entry : index.manifests) {
    const std::string name = AnnotationOf(entry.annotations, kRefName);
    if (!name.empty()) there += (there.empty() ? "" : ", ") + name;
    const bool again = std::ranges::find(chosen.manifests, entry.digest, &Descriptor::digest) !=
                       chosen.manifests.end();
    if (!again && (tag.empty() || Bears(entry.annotations, tag))) chosen.manifests.push_back(entry);
  }
  if (tag.empty() && chosen.manifests.size() > 1 && !there.empty()) {
    return Error(ErrorCode::kNotFound, "several images, so name one; there are: " + there);
  }
  if (!chosen.manifests.empty()) return chosen;
  for (const auto& entry : index.unread) {
    if (!tag.empty() && !Bears(entry.annotations, tag)) continue;
    return Error(ErrorCode::kInvalidArgument, "the image's entry in 'index.json': " + entry.why);
  }
  return Error(ErrorCode::kNotFound, "no image '" + tag + "'; there are: " +
                                         (there.empty() ? "none with a name" : there));
}

// An OCI layout, in a directory or out of an archive.
class LayoutSource final : public ImageSource {
 public:
  LayoutSource(std::unique_ptr<LocalFiles> files, Index entries, Platform platform)
      : files_(std::move(files)), entries_(std::move(entries)), platform_(std::move(platform)) {}

  Result<ManifestContent> GetManifest() override {
    if (entries_.manifests.size() > 1) return ChooseImage(*this, entries_, platform_);
    LOCKET_TRY_ASSIGN(auto top, GetTop());
    if (!IsIndex(top.descriptor.media_type)) return top;
    LOCKET_TRY_ASSIGN(const Index index, DecodeIndex(top.bytes));
    return ChooseImage(*this, index, platform_);
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
  // The file 'oci-layout' says nothing more, and other tools read layouts without it.
  const auto text = ReadLocalFile(*files, "index.json", kMaxManifestBytes);
  if (!text.ok()) {
    return Error(ErrorCode::kInvalidArgument, "not an OCI image layout: " + text.error().message());
  }
  LOCKET_TRY_ASSIGN(const Index index, DecodeIndex(*text).While("'index.json'"));
  LOCKET_TRY_ASSIGN(Index entries, EntriesFor(index, tag));
  auto source = std::make_unique<LayoutSource>(std::move(files), std::move(entries), platform);
  LOCKET_TRY(source->GetTop());  // a damaged layout is noticed now
  return std::unique_ptr<ImageSource>(std::move(source));
}

Result<UniqueFd> OpenArchive(const ImageLocation& location) {
  if (location.transport != Transport::kStream) return OpenFile(location.path, O_RDONLY);
  // Not by its name in /dev, which cannot be opened where it is a socket or somebody else's.
  UniqueFd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "standard input");
  return fd;
}

bool IsOfLayout(const std::string& name) {
  return name == "index.json" || name == "oci-layout" || name.starts_with("blobs/sha256/");
}

Result<std::unique_ptr<ImageSource>> Open(const ImageLocation& location,
                                          const OpenSourceOptions& options) {
  if (location.transport == Transport::kOciLayout) {
    return OpenLayout(MakeDirectoryFiles(location.path), location.tag, options.platform);
  }
  LOCKET_TRY_ASSIGN(UniqueFd archive, OpenArchive(location));
  UnpackOptions unpack{.temporary_directory = options.temporary_directory, .stop = options.stop};
  // manifest.json of `docker save` may name any file.
  if (location.transport == Transport::kOciArchive) unpack.wanted = IsOfLayout;
  LOCKET_TRY_ASSIGN(auto files, UnpackArchive(std::move(archive), unpack));
  const bool is_layout =
      location.transport == Transport::kOciArchive ||
      (location.transport == Transport::kStream && files->Open("index.json").ok());
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
