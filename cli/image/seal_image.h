// An ordinary image in, a sealed one out (docs/formats/image.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "cli/image/layer_selection.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"
#include "image/sealed/key_packet.h"

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

// Seals layer by layer, pushing each blob beside the sealing of the next (so two layers lie in the
// temporary directory at most), then config and manifest: until then no image can be seen in the
// target. On
// failure blobs may be left in the target, which nothing refers to. kFailedPrecondition: already
// sealed, or a user that cannot be resolved. kInvalidArgument: a layer to encrypt and no key.
// kCancelled: `stop` was asked for.
Result<SealImageReport> SealImage(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress);

struct SealIndexReport {
  image::Descriptor index;
  std::vector<std::pair<std::string, SealImageReport>> images;  // by platform, in the index' order
};

// Seals every image of the index that the source's name points at, and puts an index of the same
// platforms and annotations; images of an index inside it become its own. Entries that are no
// images (artifacts, attestations of a build, which speak of the image before) are left out.
// kInvalidArgument: no index, or none of images. Else as SealImage.
Result<SealIndexReport> SealIndex(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress);

// The diff IDs of an image, for SealImageOptions::base_diff_ids, or of all images of an index.
Result<std::set<image::Digest>> DiffIds(image::ImageSource& source);
Result<std::set<image::Digest>> DiffIdsOfAll(image::ImageSource& source);

// Manifest and config of an image, their digests checked. kFailedPrecondition: an artifact, whose
// config describes no image.
struct ImageDocuments {
  image::ManifestContent content;
  image::Manifest manifest;
  image::ImageConfig config;
};
Result<ImageDocuments> ReadDocuments(image::ImageSource& source);
// Of a manifest that is at hand.
Result<ImageDocuments> ReadDocuments(image::ImageSource& source, image::ManifestContent content);

// SealImage for an image of an index, whose manifest goes without a name.
Result<SealImageReport> SealNestedImage(image::ImageSource& source, const ImageDocuments& image,
                                        image::ImageTarget& target, const SealImageOptions& options,
                                        Progress& progress);

// "linux/arm/v7"
std::string PlatformText(const image::ImageConfig& config);

}  // namespace locket::cli
