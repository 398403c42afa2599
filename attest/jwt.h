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

class SigningKey {
 public:
  // A new P-256 key.
  static Result<SigningKey> Generate();
  // PKCS #8. kInvalidArgument: no private key of a kind above.
  static Result<SigningKey> FromPem(std::string_view private_pem);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) = delete;
  ~SigningKey();

  bool is_ed25519() const;
  std::string PublicPem() const;
  // `claims` is a JSON object; put "iat" and "exp" in it.
  Result<std::string> Sign(std::string_view claims) const;

 private:
  friend class VerificationKey;
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class VerificationKey {
 public:
  static Result<VerificationKey> FromPem(std::string_view public_pem);
  VerificationKey(VerificationKey&&) noexcept;
  VerificationKey& operator=(VerificationKey&&) = delete;
  ~VerificationKey();

  bool is_ed25519() const;
  // The claims, a JSON object. kInvalidArgument: no such token. kPermissionDenied: not this key's
  // signature. kFailedPrecondition: it has expired at `now`, or starts more than a minute later.
  // A token without "exp" is refused.
  Result<std::string> Verify(std::string_view token,
                             std::chrono::system_clock::time_point now) const;

 private:
  struct Impl;
  explicit VerificationKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
