#include "cli/signature_image.h"

#include <algorithm>
#include <string>
#include <utility>

#include "image/media_type.h"
#include "image/signature.h"

namespace locket::cli {

using image::Descriptor;
using image::ImageLocation;

namespace {

// Generous: a payload has 64 KiB at most, and some put certificates and bundles beside it.
constexpr size_t kMaxBlobBytes = image::kMaxManifestBytes;

// What cosign writes, too: readers look at the layers only.
std::string ConfigFor(const std::vector<Descriptor>& payloads) {
  image::ImageConfig config{.architecture = "", .os = "", .diff_ids = {}};
  for (const auto& payload : payloads) config.diff_ids.push_back(payload.digest);
  return image::EncodeImageConfig(config);
}

Status CopyBlob(image::ImageSource& source, image::ImageTarget& target, const Descriptor& blob) {
  LOCKET_TRY_ASSIGN(const bool there, target.HasBlob(blob));
  if (there) return Ok();
  LOCKET_TRY_ASSIGN(const std::string bytes, image::ReadBlob(source, blob, kMaxBlobBytes));
  return target.PutBlobBytes(blob, bytes);
}

// Those of `there`, then those of `come` that are not among them.
std::vector<Descriptor> Join(std::vector<Descriptor> there, const std::vector<Descriptor>& come) {
  for (const auto& one : come) {
    if (std::ranges::find(there, one) == there.end()) there.push_back(one);
  }
  return there;
}

Status CopyTo(ImageAccess& access, const ImageLocation& place, const SignatureImage& from) {
  LOCKET_TRY_ASSIGN(const auto there, OpenSignatures(access, place));
  const auto& ours = from.manifest.layers;
  const auto all = there ? Join(there->manifest.layers, ours) : ours;
  if (there && all.size() == there->manifest.layers.size()) return Ok();
  if (all.size() > image::kMaxLayers) {
    return Error(ErrorCode::kResourceExhausted, "together they are more than 128");
  }
  LOCKET_TRY_ASSIGN(const auto target, access.OpenTarget(place));
  for (const auto& signature : ours) LOCKET_TRY(CopyBlob(*from.source, *target, signature));
  if (there) return PutSignatureManifest(*target, all);
  // Byte for byte, so that whoever signed the signatures' manifest still did.
  LOCKET_TRY(CopyBlob(*from.source, *target, from.manifest.config));
  LOCKET_TRY(target->PutManifest(from.content.descriptor.media_type, from.content.bytes));
  return Ok();
}

bool HasPlaceForSignatures(const ImageLocation& location) {
  return location.transport == image::Transport::kRegistry ||
         location.transport == image::Transport::kOciLayout;
}

}  // namespace

Result<ImageLocation> SignatureLocation(const ImageLocation& image, const image::Digest& document) {
  if (!HasPlaceForSignatures(image)) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + image.ToText() + "': signatures are kept in registries and layouts only");
  }
  ImageLocation location = image;
  if (image.transport == image::Transport::kRegistry) {
    location.reference->tag = image::SignatureTag(document);
    location.reference->digest.reset();
  } else {
    location.tag = image::SignatureTag(document);
  }
  return location;
}

Result<std::optional<SignatureImage>> OpenSignatures(ImageAccess& access,
                                                     const ImageLocation& place) {
  auto source = access.OpenSource(place);
  auto content = source.ok() ? (*source)->GetManifest() : source.error();
  if (!content.ok() && content.error().code() == ErrorCode::kNotFound) {
    return std::optional<SignatureImage>();
  }
  if (!content.ok()) return std::move(content).error().While("signatures");
  LOCKET_TRY_ASSIGN(auto manifest, image::DecodeManifest(content->bytes).While("signatures"));
  return std::optional(SignatureImage{.source = std::move(*source),
                                      .content = std::move(*content),
                                      .manifest = std::move(manifest)});
}

Status PutSignatureManifest(image::ImageTarget& target, std::vector<Descriptor> signatures) {
  const std::string config = ConfigFor(signatures);
  const image::Manifest manifest{.media_type = std::string(image::kOciManifest),
                                 .config = image::DescriptorOf(image::kOciConfig, config),
                                 .layers = std::move(signatures)};
  LOCKET_TRY(target.PutBlobBytes(manifest.config, config));
  LOCKET_TRY(target.PutManifest(image::kOciManifest, image::EncodeManifest(manifest)));
  return Ok();
}

Result<size_t> CopySignatures(ImageAccess& access, const ImageLocation& from,
                              const ImageLocation& to, const std::vector<Descriptor>& documents,
                              const std::stop_token& stop) {
  if (!HasPlaceForSignatures(from) || !HasPlaceForSignatures(to)) return size_t{0};
  size_t signed_documents = 0;
  for (const auto& document : documents) {
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    const std::string doing =
        "copy the signatures of " + document.digest.ToText() + " (--no-signatures leaves them)";
    LOCKET_TRY_ASSIGN(const auto place, SignatureLocation(from, document.digest));
    LOCKET_TRY_ASSIGN(const auto signatures, OpenSignatures(access, place).While(doing));
    if (!signatures) continue;
    LOCKET_TRY_ASSIGN(const auto target, SignatureLocation(to, document.digest));
    LOCKET_TRY(CopyTo(access, target, *signatures).While(doing));
    ++signed_documents;
  }
  return signed_documents;
}

}  // namespace locket::cli
