// Signatures of images as cosign makes them: a small JSON payload that names the manifest's digest,
// signed with ECDSA P-256 over SHA-256 (docs/formats/signature.md).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/digest.h"
#include "image/oci/manifest.h"

namespace locket::image {

inline constexpr std::string_view kSimpleSigning =
    "application/vnd.dev.cosign.simplesigning.v1+json";
inline constexpr std::string_view kSignatureAnnotation = "dev.cosignproject.cosign/signature";
inline constexpr size_t kMaxPayloadBytes = 64U << 10;
inline constexpr size_t kMaxSignatureBytes = 1024;  // base64

struct SigningPayload {
  std::string docker_reference;  // the signer's name for the image; not part of the decision
  Digest manifest_digest;

  bool operator==(const SigningPayload&) const = default;
};

// Decodes the bytes that were signed. kInvalidArgument: malformed, larger than kMaxPayloadBytes, or
// of another type than cosign's.
Result<SigningPayload> DecodeSigningPayload(std::string_view json);
std::string EncodeSigningPayload(const SigningPayload& payload);

// Returns the tag of the image that holds the signatures of a manifest, in the same repository:
// "sha256-<hex>.sig".
std::string SignatureTag(const Digest& manifest);

// A P-256 public key. Immutable, so any thread may use it.
class PublicKey {
 public:
  // kInvalidArgument: not a PEM public key, or not of P-256.
  static Result<PublicKey> FromPem(std::string_view pem);
  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();

  // Returns whether `signature`, in DER, was made by this key over the SHA-256 of `bytes`.
  bool Verifies(std::span<const std::byte> bytes, std::span<const std::byte> signature) const;

 private:
  struct Key;
  explicit PublicKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

// One signature as a registry keeps it. An image may have several.
struct ImageSignature {
  std::string payload;
  std::string signature;  // base64 of DER, as the annotation has it
};

// Succeeds if `key` signed the manifest with the digest `manifest`. kPermissionDenied: another key
// made the signature, or it is for another manifest. kInvalidArgument: malformed.
Status CheckSignature(const PublicKey& key, const ImageSignature& signature,
                      const Digest& manifest);

}  // namespace locket::image
