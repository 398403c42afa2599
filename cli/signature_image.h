// The image that holds a document's signatures, beside it under the tag sha256-<hex>.sig
// (docs/formats/signature.md).
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "cli/image_access.h"
#include "image/image_source.h"
#include "image/manifest.h"
#include "image/reference.h"

namespace locket::cli {

// kInvalidArgument: an archive, which has no place for signatures.
Result<image::ImageLocation> SignatureLocation(const image::ImageLocation& image,
                                               const image::Digest& document);

struct SignatureImage {
  std::unique_ptr<image::ImageSource> source;
  image::ManifestContent content;
  image::Manifest manifest;  // whose layers are the signatures
};

// What stands at `place`. Nothing: there are no signatures.
Result<std::optional<SignatureImage>> OpenSignatures(ImageAccess& access,
                                                     const image::ImageLocation& place);

// Puts the manifest (and its config) of an image of these signatures, whose payloads are there.
Status PutSignatureManifest(image::ImageTarget& target, std::vector<image::Descriptor> signatures);

// Gives each of `documents` at `to` the signatures it has at `from`; those it has there already
// stay. Answers how many had some. Zero if either is an archive.
Result<size_t> CopySignatures(ImageAccess& access, const image::ImageLocation& from,
                              const image::ImageLocation& to,
                              const std::vector<image::Descriptor>& documents,
                              const std::stop_token& stop);

}  // namespace locket::cli
