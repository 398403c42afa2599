// Attachments of images, as cosign stores them. An attachment of a document (a manifest or an
// index) is an image of its own in the same repository or layout, under a tag made from the
// document's digest: signatures (sha256-<hex>.sig, docs/formats/signature.md), attestations (.att)
// and SBOMs (.sbom). Each signature, attestation or SBOM is one layer of that image. Archives hold
// one image, so they have no place for attachments.
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

// Returns the tag of the attachment: "sha256-<hex>.att".
std::string AttachmentTag(const image::Digest& document, Attachment kind);

// Returns where the attachment of a document of `image` is. kInvalidArgument: `image` is in an
// archive.
Result<image::ImageLocation> AttachmentLocation(const image::ImageLocation& image,
                                                const image::Digest& document, Attachment kind);

struct AttachedImage {
  std::unique_ptr<image::ImageSource> source;
  image::ManifestContent content;
  image::Manifest manifest;  // its layers are the signatures, attestations or SBOMs
};

// Returns the attachment at `place` (of AttachmentLocation), or nothing if there is none.
Result<std::optional<AttachedImage>> OpenAttachment(ImageAccess& access,
                                                    const image::ImageLocation& place);

// Puts the manifest of an attachment with these layers, and its config. The blobs of the layers
// must be in the target already. Replaces the attachment that was there.
Status PutAttachedManifest(image::ImageTarget& target, std::vector<image::Descriptor> layers);

// The numbers of documents that had an attachment of each kind.
struct AttachedDocuments {
  uint64_t with_signatures = 0;
  uint64_t with_attestations = 0;
  uint64_t with_sbom = 0;
};

// Copies the attachments of each of `documents` from one place to another. Signatures and
// attestations that a document has at `to` stay there beside the new ones; an SBOM is replaced.
// Returns how many documents had attachments: none if `from` or `to` is an archive. kCancelled:
// `stop` was requested. On failure some attachments may have been copied.
Result<AttachedDocuments> CopyAttachments(ImageAccess& access, const image::ImageLocation& from,
                                          const image::ImageLocation& to,
                                          const std::vector<image::Descriptor>& documents,
                                          const std::stop_token& stop);

}  // namespace locket::cli
