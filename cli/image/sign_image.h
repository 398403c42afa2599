// Signatures of images, stored as cosign does: an image of their own beside the one they sign,
// under the tag sha256-<hex of the manifest>.sig (docs/formats/signature.md).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/image/image_access.h"
#include "image/oci/image_source.h"
#include "image/oci/reference.h"
#include "image/sealed/signature.h"
#include "image/signing/signing_key.h"

namespace locket::cli {

struct SignImageOptions {
  std::string docker_reference{};  // what the payload calls the image; empty: its own name
  bool only_platform = false;      // of an index only the chosen image
};

struct SignedDocument {
  image::Digest digest;
  bool was_signed;  // by this key, before
};

// Signs what `location` names; of an index the index and every image in it, as guests see the
// images only. What the key signed before is left alone, signatures of other keys stay.
// kInvalidArgument: an archive, which has no place for a signature.
Result<std::vector<SignedDocument>> SignImage(ImageAccess& access,
                                              const image::ImageLocation& location,
                                              const image::SigningKey& key,
                                              const SignImageOptions& options);

// `key` signed the manifest that `source` (opened from `location`) gives, or the index that names
// it. kPermissionDenied: it did not, and what there is instead.
Status CheckSignedBy(ImageAccess& access, const image::ImageLocation& location,
                     image::ImageSource& source, const image::PublicKey& key);

}  // namespace locket::cli
