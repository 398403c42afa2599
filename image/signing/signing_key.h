// The private half of signature.h. Target locket_image_signing, apart so that the guest does
// without libsodium.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "image/sealed/signature.h"

namespace locket::image {

inline constexpr size_t kMaxSigningKeyBytes = 64U << 10;

// Returns whether the key in this PEM file needs a passphrase.
bool IsEncryptedKey(const Secret& pem);

// A P-256 private key that signs images. Movable; a const object may be used by any thread.
class SigningKey {
 public:
  // A P-256 key in PEM: cosign's own ("ENCRYPTED COSIGN PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE
  // KEY"), PKCS #8 encrypted or not, or "EC PRIVATE KEY". `passphrase` may be null for those that
  // need none. kInvalidArgument: no such key. kPermissionDenied: the passphrase does not open it.
  static Result<SigningKey> FromPem(const Secret& pem, const Secret* passphrase);
  SigningKey(SigningKey&&) noexcept;
  ~SigningKey();

  // Returns the ECDSA signature of the SHA-256 of `bytes`, in DER.
  Result<std::vector<std::byte>> Sign(std::span<const std::byte> bytes) const;
  // Returns the public half, which guests check signatures with.
  Result<PublicKey> Public() const;

 private:
  struct Key;
  explicit SigningKey(std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
};

}  // namespace locket::image
