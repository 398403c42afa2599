#include "image/sealed/signature.h"

#include <utility>

#include "base/encoding.h"
#include "image/oci/json_object.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr std::string_view kType = "cosign container image signature";

}  // namespace

Result<SigningPayload> DecodeSigningPayload(std::string_view text) {
  constexpr std::string_view kDoing = "read signature payload";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxPayloadBytes}).While(kDoing));
  FieldReader reader(document, "");
  json critical = reader.Required("critical");
  FieldReader critical_reader(critical, "critical");
  const std::string type = critical_reader.RequiredText("type");
  if (type != kType)
    critical_reader.Fail("type", "only '" + std::string(kType) + "' is known here");
  json identity = critical_reader.Required("identity");
  FieldReader identity_reader(identity, "critical.identity");
  std::string reference = identity_reader.Text("docker-reference");
  json image = critical_reader.Required("image");
  FieldReader image_reader(image, "critical.image");
  const Digest digest = image_reader.RequiredDigest("docker-manifest-digest");
  // What is critical and not understood may change the meaning of the rest.
  LOCKET_TRY(identity_reader.FinishStrict().While(kDoing));
  LOCKET_TRY(image_reader.FinishStrict().While(kDoing));
  LOCKET_TRY(critical_reader.FinishStrict().While(kDoing));
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return SigningPayload{.docker_reference = std::move(reference), .manifest_digest = digest};
}

std::string EncodeSigningPayload(const SigningPayload& payload) {
  return DumpJson({{"critical",
                    {{"identity", {{"docker-reference", payload.docker_reference}}},
                     {"image", {{"docker-manifest-digest", payload.manifest_digest.ToText()}}},
                     {"type", kType}}},
                   {"optional", nullptr}});
}

std::string SignatureTag(const Digest& manifest) { return "sha256-" + manifest.Hex() + ".sig"; }

Status CheckSignature(const PublicKey& key, const ImageSignature& signature,
                      const Digest& manifest) {
  if (signature.signature.size() > kMaxSignatureBytes ||
      signature.payload.size() > kMaxPayloadBytes) {
    return Error(ErrorCode::kInvalidArgument, "signature: too large");
  }
  LOCKET_TRY_ASSIGN(const auto der, Base64Decode(signature.signature).While("signature"));
  // Before anything in the payload is looked at.
  if (!key.Verifies(AsBytes(signature.payload), der)) {
    return Error(ErrorCode::kPermissionDenied,
                 "the signature is not this key's, or what it covers was changed");
  }
  LOCKET_TRY_ASSIGN(const auto payload, DecodeSigningPayload(signature.payload));
  if (payload.manifest_digest == manifest) return Ok();
  return Error(ErrorCode::kPermissionDenied, "the key signed " + payload.manifest_digest.ToText() +
                                                 ", not this manifest, " + manifest.ToText());
}

}  // namespace locket::image
