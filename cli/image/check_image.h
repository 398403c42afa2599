// Looking at images: what they are, and whether a sealed one is sound.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "cli/image/seal_image.h"
#include "cli/progress.h"
#include "image/oci/image_source.h"

namespace locket::cli {

// What `locket image inspect` prints. An ordinary image is described, too; a sealed one that breaks
// a rule of docs/formats/image.md is an error that says which.
Result<std::string> DescribeImage(const std::string& name, const ImageDocuments& image, bool json);

// The same of an artifact, whose config describes no image.
std::string DescribeArtifact(const std::string& name, const image::ManifestContent& content,
                             const image::Manifest& manifest, bool json);

// What `locket image seal` prints.
std::string DescribeSealed(const std::string& target, const SealImageReport& report, bool json);
std::string DescribeSealed(const std::string& target, const SealIndexReport& report, bool json);

struct VerifyImageOptions {
  const Secret* kek = nullptr;  // also opens every key packet
  // Of an image that is not sealed, and of an artifact, only the digests are checked.
  bool ordinary_too = false;
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
};

// Manifest and config follow the rules; every blob has its digest, its verity tree fits its root
// hash; with a KEK every key packet opens and belongs to its layer. kDataLoss and others: the first
// thing that is wrong, naming the layer. One layer at a time lies in the temporary directory.
Status VerifyImage(image::ImageSource& source, const VerifyImageOptions& options,
                   Progress& progress);

}  // namespace locket::cli
