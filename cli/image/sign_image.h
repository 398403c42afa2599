// Signs images and checks signatures, in cosign's format. The signatures of an image are an
// attachment of it (attachment.h, docs/formats/signature.md).
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
  std::string docker_reference{};  // name of the image in the payload; empty: its own name
  bool only_platform = false;      // of an index, sign only the image of the platform
};

struct SignedDocument {
  image::Digest digest;
  bool was_signed;  // true: this key had signed it before, and nothing was written
};

// Signs what `location` names. Of an index it signs the index and every image in it, because a
// guest sees only its own image. Signatures of other keys stay. Returns all documents that are
// signed now. kInvalidArgument: an archive, which has no place for a signature. On failure some
// documents may be signed; signing again completes it.
Result<std::vector<SignedDocument>> SignImage(ImageAccess& access,
                                              const image::ImageLocation& location,
                                              const image::SigningKey& key,
                                              const SignImageOptions& options);

// Checks that `key` signed the manifest of `source`, or the index that names it. `source` was
// opened from `location`. kPermissionDenied: it did not; the message says which signatures there
// are.
Status CheckSignedBy(ImageAccess& access, const image::ImageLocation& location,
                     image::ImageSource& source, const image::PublicKey& key);

}  // namespace locket::cli
