// Seals ordinary images (docs/formats/image.md), and reads the documents of images for other
// commands.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/resource_name.h"
#include "base/result.h"
#include "base/secret.h"
#include "cli/image/layer_selection.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"
#include "image/sealed/key_packet.h"

namespace locket::cli {

struct SealImageOptions {
  LayerSelection encrypt;
  std::set<image::Digest> base_diff_ids{};  // these layers are verify-only in any case
  std::optional<Secret> kek{};              // needed, with key_id, if a layer is encrypted
  std::optional<ResourceName> key_id{};
  std::optional<Secret> convergent_secret{};  // if set, layer keys are derived from it, not random
  bool compress = false;                      // compress files with LZ4
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
};

struct SealedLayerReport {
  image::Digest source_diff_id;
  image::Descriptor descriptor;
  uint64_t ignored_xattrs;  // number of xattrs that a sealed layer does not keep
};

struct SealImageReport {
  image::Descriptor manifest;
  image::Descriptor config;
  std::string user;                       // the image's user, in numbers
  std::vector<SealedLayerReport> layers;  // bottom first
};

// Seals an image layer by layer. Each blob is pushed while the next layer is sealed, so the
// temporary directory holds two layers at most. Config and manifest follow, and only then the
// target shows the image. kFailedPrecondition: the image is sealed already, or its user cannot be
// resolved. kInvalidArgument: a layer is to be encrypted and there is no key. kDataLoss: a layer is
// not what the image's config says. kCancelled: `stop` was requested. On failure the target may be
// left with blobs that no manifest refers to.
Result<SealImageReport> SealImage(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress);

struct SealIndexReport {
  image::Descriptor index;
  std::vector<std::pair<std::string, SealImageReport>> images;  // with platform, in index order
};

// Seals every image of the index that the source names, and puts an index of the same platforms and
// annotations. Images of an index inside the index become entries of the new one. Entries that are
// not images are left out: artifacts, and attestations of the build, which describe the unsealed
// images. kInvalidArgument: the source does not name an index, or the index has no images. Other
// errors as SealImage.
Result<SealIndexReport> SealIndex(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress);

// Returns the diff IDs of an image's layers, for SealImageOptions::base_diff_ids.
Result<std::set<image::Digest>> DiffIds(image::ImageSource& source);
// Returns the diff IDs of the layers of all images of an index.
Result<std::set<image::Digest>> DiffIdsOfAll(image::ImageSource& source);

// Manifest and config of an image. Their digests were checked.
struct ImageDocuments {
  image::ManifestContent content;  // the manifest as its bytes
  image::Manifest manifest;
  image::ImageConfig config;
};
// Fetches and decodes both. kFailedPrecondition: an artifact, whose config does not describe an
// image.
Result<ImageDocuments> ReadDocuments(image::ImageSource& source);
// The same, for a manifest that was fetched before.
Result<ImageDocuments> ReadDocuments(image::ImageSource& source, image::ManifestContent content);

// As SealImage, for an image of an index: its manifest is put without a name.
Result<SealImageReport> SealNestedImage(image::ImageSource& source, const ImageDocuments& image,
                                        image::ImageTarget& target, const SealImageOptions& options,
                                        Progress& progress);

// Returns the platform of an image: "linux/arm/v7".
std::string PlatformText(const image::ImageConfig& config);

}  // namespace locket::cli
