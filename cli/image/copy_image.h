// Copies an image from one place to another: all platforms and all blobs, byte for byte.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"

namespace locket::cli {

struct CopyImageOptions {
  // Of an index, copy only the image that the source was opened for.
  bool only_platform = false;
  // If set, returns the new text for the manifest of each image. Blobs stay as they are, and so do
  // the entries of an index that are not images. Indexes are rewritten with the new digests.
  std::function<Result<std::string>(const image::ManifestContent& manifest)> rewrite{};
  // If set, called once with all manifests and indexes, when the target has everything except the
  // one that gives the image its name. An error ends the copy before the image appears.
  std::function<Status(const std::vector<image::Descriptor>& documents)> before_name{};
  size_t transfers = 4;  // blobs that are copied at the same time
  std::stop_token stop{};
};

struct CopyReport {
  image::Descriptor top;        // the manifest or index that the target's name now points to
  uint64_t blobs = 0;           // without those left out
  uint64_t blobs_left_out = 0;  // foreign layers: their bytes are at the URLs of their descriptors
  uint64_t blobs_sent = 0;      // the others were in the target already
  uint64_t bytes_sent = 0;
};

// Copies blobs first, then manifests and indexes, and last the one with the name: until then the
// target shows no image, or the one that it showed before. A blob that the target has, or can take
// over from another repository by itself, is neither downloaded nor sent.
// kInvalidArgument: an index with an entry that cannot be copied, such as one with a digest other
// than SHA-256. kResourceExhausted: more than 1024 manifests. kCancelled: `stop` was requested. On
// failure the target may be left with blobs and manifests that no name refers to.
Result<CopyReport> CopyImage(image::ImageSource& source, image::ImageTarget& target,
                             const CopyImageOptions& options, Progress& progress);

}  // namespace locket::cli
