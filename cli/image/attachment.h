// What stands beside a document (a manifest or an index) as images of their own, under tags made of
// its digest, as cosign has them: signatures (sha256-<hex>.sig, docs/formats/signature.md),
// attestations (.att) and SBOMs (.sbom).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/image/image_access.h"
#include "image/oci/image_source.h"
#include "image/oci/manifest.h"
#include "image/oci/reference.h"

namespace locket::cli {

enum class Attachment { kSignatures, kAttestations, kSbom };

// "sha256-<hex>.att"
std::string AttachmentTag(const image::Digest& document, Attachment kind);

// kInvalidArgument: an archive, which has no place for attachments.
Result<image::ImageLocation> AttachmentLocation(const image::ImageLocation& image,
                                                const image::Digest& document, Attachment kind);

struct AttachedImage {
  std::unique_ptr<image::ImageSource> source;
  image::ManifestContent content;
  image::Manifest manifest;  // whose layers are the signatures, or whatever it is
};

// What stands at `place`. Nothing: there is none.
Result<std::optional<AttachedImage>> OpenAttachment(ImageAccess& access,
                                                    const image::ImageLocation& place);

// Puts the manifest (and its config) of an image of these layers, whose blobs are there.
Status PutAttachedManifest(image::ImageTarget& target, std::vector<image::Descriptor> layers);

struct AttachedDocuments {
  uint64_t with_signatures = 0;
  uint64_t with_attestations = 0;
  uint64_t with_sbom = 0;
};

// Gives each of `documents` at `to` what it has beside it at `from`. Signatures and attestations
// that it has there already stay; an SBOM is replaced. Answers how many had some. None if either is
// an archive.
Result<AttachedDocuments> CopyAttachments(ImageAccess& access, const image::ImageLocation& from,
                                          const image::ImageLocation& to,
                                          const std::vector<image::Descriptor>& documents,
                                          const std::stop_token& stop);

}  // namespace locket::cli
