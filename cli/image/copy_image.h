// An image from one place to another: all platforms, all blobs, byte for byte.
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
  bool only_platform = false;  // of an index only the image that the source was opened for
  // Gives each image's manifest its new text; unset: as it is. Blobs stay, and so does what an
  // index holds beside images; indexes follow.
  std::function<Result<std::string>(const image::ManifestContent& manifest)> rewrite{};
  // Called with all documents, when everything is there but the one that gives the name.
  std::function<Status(const std::vector<image::Descriptor>& documents)> before_name{};
  size_t transfers = 4;  // at once
  std::stop_token stop{};
};

struct CopyReport {
  image::Descriptor top;  // what the target's name now points at
  uint64_t blobs = 0;
  uint64_t blobs_left_out = 0;  // foreign layers, which are at their URLs
  uint64_t blobs_sent = 0;
  uint64_t bytes_sent = 0;
};

// Blobs first, then manifests, the one with the name last: until then the target shows no image. A
// blob that the target has, or can take over by itself, is neither fetched nor sent. Foreign layers
// stay where they are. On failure blobs may be left there, which nothing refers to.
Result<CopyReport> CopyImage(image::ImageSource& source, image::ImageTarget& target,
                             const CopyImageOptions& options, Progress& progress);

}  // namespace locket::cli
