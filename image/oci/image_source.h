// The seam to the places where images come from and go to. registry/registry_image.h implements it
// for registries, image/local/local_image.h for layouts and archives on disk.
//
// To copy an image: GetTop of the source; PutBlob for each blob of each manifest; PutNested for
// each document that an index names; PutManifest of the top, last.
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

// A document as it came, and the descriptor of these bytes.
struct ManifestContent {
  Descriptor descriptor;
  std::string bytes;
};

// The bytes of a blob, in order. For one thread.
class BlobStream {
 public:
  virtual ~BlobStream() = default;
  // Writes the next bytes into `out` and returns how many. Returns 0 at the end, after size and
  // digest were found right: until then the bytes are not to be trusted. kDataLoss: size or digest
  // is wrong.
  virtual Result<size_t> Read(std::span<std::byte> out) = 0;
};

// A place that holds one image. The functions for blobs may be called from several threads at once,
// the others from one.
//
// Errors that every function may return: kNotFound, the place does not have it; kDataLoss, its
// digest or size is wrong; of a registry also those of RegistryClient (registry/client.h).
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // Returns the manifest for the platform that the source was opened with, its digest checked.
  // kNotFound: no image for that platform; the message lists those that there are.
  virtual Result<ManifestContent> GetManifest() = 0;
  // Returns the document that the image's name points at, a manifest or an index, its digest
  // checked.
  virtual Result<ManifestContent> GetTop() = 0;
  // Returns a document that an index of this image names, its digest checked.
  virtual Result<ManifestContent> GetNested(const Descriptor& document) = 0;
  // Returns a stream of the blob that a manifest describes as `blob`.
  virtual Result<std::unique_ptr<BlobStream>> OpenBlob(const Descriptor& blob) = 0;
  // Returns a file with exactly the bytes of the blob, open at its start. They were checked
  // already.
  virtual Result<UniqueFd> OpenBlobFile(const Descriptor& blob) = 0;
};

// Returns the whole blob, checked. kResourceExhausted: `blob.size` is above `max_bytes`; then
// nothing is read.
Result<std::string> ReadBlob(ImageSource& source, const Descriptor& blob, size_t max_bytes);

// A place that takes one image. The functions for blobs may be called from several threads at once,
// the others from one. Blobs come before the documents that name them. If the caller stops before
// PutManifest, the place has no image of that name, and what it keeps of the blobs is its own
// affair.
class ImageTarget {
 public:
  virtual ~ImageTarget() = default;
  // Returns true if the blob need not be sent: it is there, or the registry has taken it over from
  // another repository of its own.
  virtual Result<bool> HasBlob(const Descriptor& blob) = 0;
  // Stores the file open at `fd`, from its start, unless the blob is there already. kDataLoss: its
  // bytes are not those that `blob` describes.
  virtual Status PutBlob(const Descriptor& blob, int fd) = 0;
  virtual Status PutBlobBytes(const Descriptor& blob, std::string_view bytes) = 0;
  // Like PutBlob, for a file that the caller made, hashed and needs no longer. A target on the same
  // file system moves it instead of copying, and believes the digest. The file `path` is gone
  // afterwards, also on failure.
  virtual Status TakeBlob(const Descriptor& blob, const std::filesystem::path& path);
  // Stores a document that only an index names. It comes before that index.
  virtual Status PutNested(const Descriptor& document, std::string_view bytes) = 0;
  // Stores the top document, as the last step, and gives the image its name if the target was
  // opened with one. Returns the document's descriptor.
  virtual Result<Descriptor> PutManifest(std::string_view media_type, std::string_view bytes) = 0;
};

}  // namespace locket::image
