#include "cli/image/attachment.h"

#include <algorithm>
#include <utility>

#include "image/oci/media_type.h"
#include "image/sealed/signature.h"

namespace locket::cli {

using image::Descriptor;
using image::ImageLocation;

namespace {

struct Kind {
  Attachment kind;
  const char* suffix;  // of the tag
  const char* name;    // in messages
  uint64_t AttachedDocuments::*count;
};
constexpr Kind kKinds[] = {
    {Attachment::kSignatures, ".sig", "signatures", &AttachedDocuments::with_signatures},
    {Attachment::kAttestations, ".att", "attestations", &AttachedDocuments::with_attestations},
    {Attachment::kSbom, ".sbom", "SBOM", &AttachedDocuments::with_sbom}};

// What cosign writes, too: readers look at the layers only.
std::string ConfigFor(const std::vector<Descriptor>& layers) {
  image::ImageConfig config{.architecture = "", .os = "", .diff_ids = {}};
  for (const auto& layer : layers) config.diff_ids.push_back(layer.digest);
  return image::EncodeImageConfig(config);
}

Status CopyBlob(image::ImageSource& source, image::ImageTarget& target, const Descriptor& blob) {
  LOCKET_TRY_ASSIGN(const bool there, target.HasBlob(blob));
  if (there) return Ok();
  LOCKET_TRY_ASSIGN(const UniqueFd fd, source.OpenBlobFile(blob));
  return target.PutBlob(blob, fd.get());
}

// Those of `there`, then those of `come` that are not among them.
std::vector<Descriptor> Join(std::vector<Descriptor> there, const std::vector<Descriptor>& come) {
  for (const auto& one : come) {
    if (std::ranges::find(there, one) == there.end()) there.push_back(one);
  }
  return there;
}

Status CopyTo(ImageAccess& access, const ImageLocation& place, Attachment kind,
              const AttachedImage& from) {
  LOCKET_TRY_ASSIGN(auto there, OpenAttachment(access, place));
  if (there && there->content.descriptor.digest == from.content.descriptor.digest) return Ok();
  if (kind == Attachment::kSbom) there.reset();
  const auto& ours = from.manifest.layers;
  const auto all = there ? Join(there->manifest.layers, ours) : ours;
  if (there && all.size() == there->manifest.layers.size()) return Ok();
  if (all.size() > image::kMaxLayers) {
    return Error(ErrorCode::kResourceExhausted,
                 "source and target together have more than " + std::to_string(image::kMaxLayers));
  }
  LOCKET_TRY_ASSIGN(const auto target, access.OpenTarget(place));
  for (const auto& layer : ours) LOCKET_TRY(CopyBlob(*from.source, *target, layer));
  if (there) return PutAttachedManifest(*target, all);
  // Byte for byte, so that whoever signed the signatures' manifest still did.
  LOCKET_TRY(CopyBlob(*from.source, *target, from.manifest.config));
  LOCKET_TRY(target->PutManifest(from.content.descriptor.media_type, from.content.bytes));
  return Ok();
}

bool HasPlaceForAttachments(const ImageLocation& location) {
  return location.transport == image::Transport::kRegistry ||
         location.transport == image::Transport::kOciLayout;
}

// False: there is none.
Result<bool> CopyOne(ImageAccess& access, const ImageLocation& from, const ImageLocation& to,
                     const image::Digest& document, Attachment kind) {
  LOCKET_TRY_ASSIGN(const auto place, AttachmentLocation(from, document, kind));
  LOCKET_TRY_ASSIGN(const auto attached, OpenAttachment(access, place));
  if (!attached) return false;
  LOCKET_TRY_ASSIGN(const auto target, AttachmentLocation(to, document, kind));
  LOCKET_TRY(CopyTo(access, target, kind, *attached));
  return true;
}

}  // namespace

std::string AttachmentTag(const image::Digest& document, Attachment kind) {
  const auto* const of =
      std::ranges::find_if(kKinds, [&](const Kind& one) { return one.kind == kind; });
  return "sha256-" + document.Hex() + of->suffix;
}

Result<ImageLocation> AttachmentLocation(const ImageLocation& image, const image::Digest& document,
                                         Attachment kind) {
  if (!HasPlaceForAttachments(image)) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + image.ToText() + "': only registries and layouts can hold signatures");
  }
  ImageLocation location = image;
  if (image.transport == image::Transport::kRegistry) {
    location.reference->tag = AttachmentTag(document, kind);
    location.reference->digest.reset();
  } else {
    location.tag = AttachmentTag(document, kind);
  }
  return location;
}

Result<std::optional<AttachedImage>> OpenAttachment(ImageAccess& access,
                                                    const ImageLocation& place) {
  const std::string& tag = place.reference ? place.reference->tag : place.tag;
  auto source = access.OpenSource(place);
  auto content = source.ok() ? (*source)->GetManifest() : source.error();
  if (!content.ok() && content.error().code() == ErrorCode::kNotFound) {
    return std::optional<AttachedImage>();
  }
  if (!content.ok()) return std::move(content).error().While("'" + tag + "'");
  LOCKET_TRY_ASSIGN(auto manifest, image::DecodeManifest(content->bytes).While("'" + tag + "'"));
  return std::optional(AttachedImage{.source = std::move(*source),
                                     .content = std::move(*content),
                                     .manifest = std::move(manifest)});
}

Status PutAttachedManifest(image::ImageTarget& target, std::vector<Descriptor> layers) {
  const std::string config = ConfigFor(layers);
  const image::Manifest manifest{.media_type = std::string(image::kOciManifest),
                                 .config = image::DescriptorOf(image::kOciConfig, config),
                                 .layers = std::move(layers)};
  LOCKET_TRY(target.PutBlobBytes(manifest.config, config));
  LOCKET_TRY(target.PutManifest(image::kOciManifest, image::EncodeManifest(manifest)));
  return Ok();
}

Result<AttachedDocuments> CopyAttachments(ImageAccess& access, const ImageLocation& from,
                                          const ImageLocation& to,
                                          const std::vector<Descriptor>& documents,
                                          const std::stop_token& stop) {
  AttachedDocuments copied;
  if (!HasPlaceForAttachments(from) || !HasPlaceForAttachments(to)) return copied;
  for (const auto& document : documents) {
    for (const auto& [kind, suffix, name, count] : kKinds) {
      if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
      LOCKET_TRY_ASSIGN(const bool had_some,
                        CopyOne(access, from, to, document.digest, kind)
                            .While(std::string("copy the ") + name + " of " +
                                   document.digest.ToText() + " (--no-signatures skips them)"));
      copied.*count += had_some ? 1 : 0;
    }
  }
  return copied;
}

}  // namespace locket::cli
