// Where images come from and where they go, whatever the transport. The registry's ends are in
// registry/; those on disk in local_image.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/oci/manifest.h"

namespace locket::image {

struct ManifestContent {
  Descriptor descriptor;
  std::string bytes;
};

// A blob's bytes in order.
class BlobStream {
 public:
  virtual ~BlobStream() = default;
  // Fills a part of `out`; 0 is the end, said only after size and digest were found right.
  // kDataLoss: they are not.
  virtual Result<size_t> Read(std::span<std::byte> out) = 0;
};

// One image. Blobs may be asked for from several threads at once.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // The manifest for the platform the source was opened with; digest checked.
  virtual Result<ManifestContent> GetManifest() = 0;
  // What the image's name points at, a manifest or an index of several; digest checked.
  virtual Result<ManifestContent> GetTop() = 0;
  // A manifest or index that an index of this image names; digest checked.
  virtual Result<ManifestContent> GetNested(const Descriptor& document) = 0;
  // `blob` as the manifest describes it.
  virtual Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) = 0;
  // The same as a file of exactly these bytes, checked already.
  virtual Result<UniqueFd> OpenBlobFile(const Descriptor& blob) = 0;
};

// All of a blob, checked. kResourceExhausted: `blob.size` is above `max_bytes`.
Result<std::string> ReadBlob(ImageSource& source, const Descriptor& blob, size_t max_bytes);

// Blobs may be given from several threads at once.
class ImageTarget {
 public:
  virtual ~ImageTarget() = default;
  // True if nothing of the blob needs to be sent: it is there, or the registry took it over from a
  // repository that the target was told of.
  virtual Result<bool> HasBlob(const Descriptor& blob) = 0;
  // Stores the bytes of `fd` (from its start) unless the blob is there already. kDataLoss: they are
  // not what `blob` says.
  virtual Status PutBlob(const Descriptor& blob, int fd) = 0;
  virtual Status PutBlobBytes(const Descriptor& blob, std::string_view bytes) = 0;
  // As PutBlob, of a file the caller made, hashed and wants no more: a target on the same file
  // system moves it instead of copying, and believes the digest. The file is gone afterwards, also
  // on failure.
  virtual Status TakeBlob(const Descriptor& blob, const std::filesystem::path& path);
  // A manifest or index that only an index names, before that one.
  virtual Status PutNested(const Descriptor& document, std::string_view bytes) = 0;
  // Last of all. Gives the image its name, if the target was opened with one.
  virtual Result<Descriptor> PutManifest(std::string_view media_type, std::string_view bytes) = 0;
};

}  // namespace locket::image
