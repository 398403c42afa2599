// Looks at images: describes them, and checks that a sealed one is undamaged.
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

// Returns what `locket image inspect` prints, for a sealed or an ordinary image. `name` is the
// user's name for it. kInvalidArgument, kDataLoss: the image claims to be sealed and breaks a rule
// of docs/formats/image.md, which the message names.
Result<std::string> DescribeImage(const std::string& name, const ImageDocuments& image, bool json);

// Returns the same for an artifact: a manifest whose config does not describe an image.
std::string DescribeArtifact(const std::string& name, const image::ManifestContent& content,
                             const image::Manifest& manifest, bool json);

// Returns what `locket image seal` prints.
std::string DescribeSealed(const std::string& target, const SealImageReport& report, bool json);
std::string DescribeSealed(const std::string& target, const SealIndexReport& report, bool json);

struct VerifyImageOptions {
  const Secret* kek = nullptr;  // if set, every key packet must open with it
  // Accept an image that is not sealed, and an artifact. Only their digests can be checked.
  bool ordinary_too = false;
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
};

// Downloads an image and checks all of it: manifest and config follow the rules, every blob has its
// digest, every hash tree fits its layer's data and root hash, and with a key encryption key every
// key packet opens and belongs to its layer. The error is the first thing that is wrong, and names
// the layer. kFailedPrecondition: not sealed, without `ordinary_too`. kCancelled: `stop` was
// requested. The temporary directory holds one layer at a time.
Status VerifyImage(image::ImageSource& source, const VerifyImageOptions& options,
                   Progress& progress);

}  // namespace locket::cli
