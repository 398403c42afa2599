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
  std::string docker_reference;  // what the signer called the image; no part of the decision
  Digest manifest_digest;

  bool operator==(const SigningPayload&) const = default;
};

// kInvalidArgument: malformed, too large, or of another type than cosign's.
Result<SigningPayload> DecodeSigningPayload(std::string_view json);
std::string EncodeSigningPayload(const SigningPayload& payload);

// The tag under which the signatures of a manifest stand: "sha256-<hex>.sig".
std::string SignatureTag(const Digest& manifest);

// A P-256 public key. Immutable, so any thread may use it.
class PublicKey {
 public:
  // kInvalidArgument: not a PEM public key, or not of P-256.
  static Result<PublicKey> FromPem(std::string_view pem);
  PublicKey(PublicKey&&) noexcept;
  PublicKey& operator=(PublicKey&&) noexcept;
  ~PublicKey();

  // True if `signature` (DER) is this key's over the SHA-256 of `bytes`.
  bool Verifies(std::span<const std::byte> bytes, std::span<const std::byte> signature) const;

 private:
  struct Key;
  explicit PublicKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

struct ImageSignature {
  std::string payload;
  std::string signature;  // base64 of DER, as the annotation has it
};

// `key` signed the manifest of this digest. kPermissionDenied: another key did, or it signed
// another manifest. kInvalidArgument: malformed.
Status CheckSignature(const PublicKey& key, const ImageSignature& signature,
                      const Digest& manifest);

}  // namespace locket::image
