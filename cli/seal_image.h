// An ordinary image in, a sealed one out (docs/formats/image.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "cli/layer_selection.h"
#include "cli/progress.h"
#include "image/image_source.h"
#include "image/key_packet.h"

namespace locket::cli {

struct SealImageOptions {
  LayerSelection encrypt;
  std::set<image::Digest> base_diff_ids{};  // layers that are verify-only in any case
  std::optional<Secret> kek{};              // with key_id, needed once a layer is encrypted
  std::optional<image::ResourceId> key_id{};
  std::optional<Secret> convergent_secret{};  // layer keys follow from it instead of being random
  bool compress = false;                      // files by LZ4
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
};

struct SealedLayerReport {
  image::Digest source_diff_id;
  image::Descriptor descriptor;
  uint64_t ignored_xattrs;
};

struct SealImageReport {
  image::Descriptor manifest;
  image::Descriptor config;
  std::string user;
  std::vector<SealedLayerReport> layers;  // bottom first
};

// Seals layer by layer, pushing each blob as soon as it is made (one layer in the temporary
// directory at a time), then config and manifest: until then no image can be seen in the target. On
// failure blobs may be left in the target, which nothing refers to. kFailedPrecondition: already
// sealed, or a user that cannot be resolved. kInvalidArgument: a layer to encrypt and no key.
// kCancelled: `stop` was asked for.
Result<SealImageReport> SealImage(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress);

// The diff IDs of an image, for SealImageOptions::base_diff_ids.
Result<std::set<image::Digest>> DiffIds(image::ImageSource& source);

// Manifest and config of an image, their digests checked.
struct ImageDocuments {
  image::ManifestContent content;
  image::Manifest manifest;
  image::ImageConfig config;
};
Result<ImageDocuments> ReadDocuments(image::ImageSource& source);

}  // namespace locket::cli
