// JWE as the KBS protocol uses it: flattened JSON, ECDH-ES+A256KW on P-256, A256GCM (RFC 7516,
// 7518), and the keys as JWK (RFC 7517).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace locket::attest {

// The guest's ephemeral P-256 key: born here, never leaves.
class TeeKey {
 public:
  static Result<TeeKey> Generate();
  // From a private JWK: for tests that need a known key.
  static Result<TeeKey> FromJwk(std::string_view private_jwk);

  TeeKey(TeeKey&&) noexcept;
  TeeKey& operator=(TeeKey&&) = delete;
  ~TeeKey();

  // {"alg":"ECDH-ES+A256KW","crv":"P-256","kty":"EC","x":..,"y":..}
  std::string PublicJwk() const;

  // kInvalidArgument: no JWE of this kind. kDataLoss: it is not for this key, or was changed.
  Result<Secret> Decrypt(std::string_view jwe_json) const;

 private:
  struct Impl;
  explicit TeeKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// kInvalidArgument: `public_jwk` is no point on P-256, or asks for another algorithm.
Result<std::string> EncryptJwe(std::string_view public_jwk, std::span<const std::byte> plaintext);

// Concat KDF of RFC 7518, 4.6 with SHA-256, one round: `bits` up to 256.
Secret ConcatKdf(std::span<const std::byte> shared, std::string_view algorithm,
                 std::string_view party_u, std::string_view party_v, unsigned bits);
// ECDH alone, for the test with RFC 7518's appendix C. `public_jwk` is the other side's.
Result<Secret> EcdhAgree(std::string_view private_jwk, std::string_view public_jwk);

}  // namespace locket::attest
