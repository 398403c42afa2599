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
#include "image/manifest.h"

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

// One image. Not thread-safe.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // The manifest for the platform the source was opened with; digest checked.
  virtual Result<ManifestContent> GetManifest() = 0;
  // `blob` as the manifest describes it.
  virtual Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) = 0;
};

// All of a blob, checked. kResourceExhausted: `blob.size` is above `max_bytes`.
Result<std::string> ReadBlob(ImageSource& source, const Descriptor& blob, size_t max_bytes);

class ImageTarget {
 public:
  virtual ~ImageTarget() = default;
  // Stores the bytes of `fd` (from its start) unless the blob is there already. kDataLoss: they are
  // not what `blob` says.
  virtual Status PutBlob(const Descriptor& blob, int fd) = 0;
  virtual Status PutBlobBytes(const Descriptor& blob, std::string_view bytes) = 0;
  // As PutBlob, of a file the caller made, hashed and wants no more: a target on the same file
  // system moves it instead of copying, and believes the digest. The file is gone afterwards, also
  // on failure.
  virtual Status TakeBlob(const Descriptor& blob, const std::filesystem::path& path);
  // Last of all. Gives the image its name, if the target was opened with one.
  virtual Result<Descriptor> PutManifest(std::string_view media_type, std::string_view bytes) = 0;
};

}  // namespace locket::image
