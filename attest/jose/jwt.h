// Compact JWS with JSON claims (RFC 7515, 7519): ES256, ES384 and EdDSA (Ed25519). The key decides
// the algorithm; a token that names another is refused, "none" included.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kMaxTokenBytes = 64U << 10;

// A private key that signs tokens. Thread-safe: nothing changes after it is made.
class SigningKey {
 public:
  // Makes a new P-256 key, whose tokens are ES256.
  static Result<SigningKey> Generate();
  // Reads PEM: PKCS #8, or SEC 1 for EC keys. kInvalidArgument: not a private key of one of the
  // three kinds, or one with a passphrase.
  static Result<SigningKey> FromPem(std::string_view private_pem);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) = delete;
  ~SigningKey();

  bool is_ed25519() const;
  // Returns the public half, for VerificationKey::FromPem.
  std::string PublicPem() const;
  // Returns a token with `claims`, the text of a JSON object. It is signed as it is: the caller
  // puts "exp" in, without which Verify refuses the token, and "iat".
  Result<std::string> Sign(std::string_view claims) const;

 private:
  friend class VerificationKey;
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A public key that decides whether tokens are good. Thread-safe.
class VerificationKey {
 public:
  // Reads "PUBLIC KEY" in PEM. kInvalidArgument: not a public key of one of the three kinds.
  static Result<VerificationKey> FromPem(std::string_view public_pem);
  VerificationKey(VerificationKey&&) noexcept;
  VerificationKey& operator=(VerificationKey&&) = delete;
  ~VerificationKey();

  bool is_ed25519() const;
  // Returns the token's claims, the text of a JSON object.
  // kInvalidArgument: not a token, or one without "exp". kPermissionDenied: another algorithm than
  // this key's, or not this key's signature. kFailedPrecondition: it has expired at `now`, or
  // starts ("iat", "nbf") more than a minute later, which is what two clocks may differ.
  Result<std::string> Verify(std::string_view token,
                             std::chrono::system_clock::time_point now) const;

 private:
  struct Impl;
  explicit VerificationKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
