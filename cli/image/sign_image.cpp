#include "cli/image/sign_image.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "cli/image/attachment.h"
#include "image/oci/index_walk.h"
#include "image/oci/manifest.h"
#include "image/oci/media_type.h"

namespace locket::cli {

using image::Descriptor;
using image::Digest;
using image::ImageLocation;
using image::ImageSignature;
using image::ImageSource;

namespace {

Result<ImageSignature> ReadSignature(ImageSource& source, const Descriptor& layer) {
  const auto annotation = layer.annotations.find(std::string(image::kSignatureAnnotation));
  if (layer.media_type != image::kSimpleSigning || annotation == layer.annotations.end()) {
    return Error(ErrorCode::kInvalidArgument, "not a cosign signature");
  }
  LOCKET_TRY_ASSIGN(std::string payload, image::ReadBlob(source, layer, image::kMaxPayloadBytes));
  return ImageSignature{.payload = std::move(payload), .signature = annotation->second};
}

// Ok if one of the manifest's signatures is `key`'s over `digest`.
Status CheckSignatures(const AttachedImage& signatures, const image::PublicKey& key,
                       const Digest& digest) {
  const std::string count = std::to_string(signatures.manifest.layers.size());
  Error reason(ErrorCode::kPermissionDenied, "the list of its signatures is empty");
  for (const auto& layer : signatures.manifest.layers) {
    const auto signature = ReadSignature(*signatures.source, layer);
    auto good =
        signature.ok() ? image::CheckSignature(key, *signature, digest) : Status(signature.error());
    if (good.ok()) return Ok();
    reason =
        Error(good.error().code(),
              count + " signature(s), none of them valid; the last: " + good.error().message());
  }
  return reason;
}

Status CheckDocument(ImageAccess& access, const ImageLocation& location,
                     const image::PublicKey& key, const Digest& digest) {
  LOCKET_TRY_ASSIGN(const auto place,
                    AttachmentLocation(location, digest, Attachment::kSignatures));
  LOCKET_TRY_ASSIGN(const auto signatures, OpenAttachment(access, place));
  if (signatures) return CheckSignatures(*signatures, key, digest);
  return Error(ErrorCode::kPermissionDenied,
               "not signed: there is no tag '" + image::SignatureTag(digest) + "'");
}

class Signer {
 public:
  Signer(ImageAccess& access, const ImageLocation& location, const image::SigningKey& key,
         const image::PublicKey& public_key, std::string docker_reference)
      : access_(access),
        location_(location),
        key_(key),
        public_key_(public_key),
        docker_reference_(std::move(docker_reference)) {}

  Result<SignedDocument> Sign(const Digest& digest) {
    LOCKET_TRY_ASSIGN(const auto place,
                      AttachmentLocation(location_, digest, Attachment::kSignatures));
    LOCKET_TRY_ASSIGN(auto there, OpenAttachment(access_, place));
    if (there && CheckSignatures(*there, public_key_, digest).ok()) {
      return SignedDocument{.digest = digest, .was_signed = true};
    }
    std::vector<Descriptor> layers;
    if (there) layers = std::move(there->manifest.layers);
    if (layers.size() >= image::kMaxLayers) {
      return Error(ErrorCode::kResourceExhausted,
                   "it already has " + std::to_string(layers.size()) + " signatures");
    }
    LOCKET_TRY(Push(place, digest, std::move(layers)).While("push the signature"));
    return SignedDocument{.digest = digest, .was_signed = false};
  }

 private:
  Status Push(const ImageLocation& place, const Digest& digest, std::vector<Descriptor> layers) {
    const std::string payload = image::EncodeSigningPayload(
        {.docker_reference = docker_reference_, .manifest_digest = digest});
    LOCKET_TRY_ASSIGN(const auto signature, key_.Sign(AsBytes(payload)));
    Descriptor layer = image::DescriptorOf(image::kSimpleSigning, payload);
    layer.annotations.emplace(image::kSignatureAnnotation, Base64Encode(signature));
    layers.push_back(layer);
    LOCKET_TRY_ASSIGN(const auto target, access_.OpenTarget(place));
    LOCKET_TRY(target->PutBlobBytes(layer, payload));
    return PutAttachedManifest(*target, std::move(layers));
  }

  ImageAccess& access_;
  const ImageLocation& location_;
  const image::SigningKey& key_;
  const image::PublicKey& public_key_;
  const std::string docker_reference_;
};

// `top` and all that is in it, each once.
Result<std::vector<Digest>> DocumentsOf(ImageSource& source, const image::ManifestContent& top) {
  std::vector<Digest> found;
  const auto note = [&](const Descriptor&, const image::ManifestContent& document) {
    found.push_back(document.descriptor.digest);
    return Ok();
  };
  LOCKET_TRY(image::WalkDocuments(source, top, note));
  return found;
}

std::string NameFor(const ImageLocation& location) {
  return location.reference ? location.reference->Name() : location.tag;
}

}  // namespace

Result<std::vector<SignedDocument>> SignImage(ImageAccess& access, const ImageLocation& location,
                                              const image::SigningKey& key,
                                              const SignImageOptions& options) {
  LOCKET_TRY_ASSIGN(const auto public_key, key.Public());
  LOCKET_TRY_ASSIGN(const auto source, access.OpenImage(location));
  LOCKET_TRY_ASSIGN(const auto top,
                    options.only_platform ? source->GetManifest() : source->GetTop());
  LOCKET_TRY_ASSIGN(const std::vector<Digest> documents, DocumentsOf(*source, top));
  // Refused before anything is pushed.
  LOCKET_TRY(AttachmentLocation(location, top.descriptor.digest, Attachment::kSignatures));
  Signer signer(access, location, key, public_key,
                options.docker_reference.empty() ? NameFor(location) : options.docker_reference);
  std::vector<SignedDocument> done;
  // The index last, so that who trusts it finds the rest signed.
  for (auto digest = documents.rbegin(); digest != documents.rend(); ++digest) {
    LOCKET_TRY_ASSIGN(auto document, signer.Sign(*digest).While(digest->ToText()));
    done.push_back(document);
  }
  return done;
}

Status CheckSignedBy(ImageAccess& access, const ImageLocation& location, ImageSource& source,
                     const image::PublicKey& key) {
  LOCKET_TRY_ASSIGN(const auto manifest, source.GetManifest());
  const Digest& digest = manifest.descriptor.digest;
  auto checked = CheckDocument(access, location, key, digest);
  if (checked.ok()) return checked;
  LOCKET_TRY_ASSIGN(const auto top, source.GetTop());
  if (image::IsIndex(top.descriptor.media_type)) {
    LOCKET_TRY_ASSIGN(const auto documents, DocumentsOf(source, top));
    const bool listed = std::ranges::find(documents, digest) != documents.end();
    if (listed && CheckDocument(access, location, key, top.descriptor.digest).ok()) return Ok();
  }
  return std::move(checked).While("manifest " + digest.ToText());
}

}  // namespace locket::cli
