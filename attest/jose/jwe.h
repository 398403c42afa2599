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

// The guest's ephemeral P-256 key. A guest makes one for each attestation: the public half goes
// into the attested report_data, the broker encrypts resources for it, and the private half never
// leaves this object. Thread-safe: nothing changes after it is made.
class TeeKey {
 public:
  static Result<TeeKey> Generate();
  // Reads a private JWK. For tests that need a known key. kInvalidArgument: not a key on P-256.
  static Result<TeeKey> FromJwk(std::string_view private_jwk);

  TeeKey(TeeKey&&) noexcept;
  TeeKey& operator=(TeeKey&&) = delete;
  ~TeeKey();

  // Returns {"alg":"ECDH-ES+A256KW","crv":"P-256","kty":"EC","x":..,"y":..}.
  std::string PublicJwk() const;

  // Returns the plaintext of `jwe_json`, a JWE in flattened JSON form.
  // kInvalidArgument: not a JWE of this kind; the message names the member. kDataLoss: it was made
  // for another key, or any part of it was changed. Nothing of the plaintext is left then.
  Result<Secret> Decrypt(std::string_view jwe_json) const;

 private:
  struct Impl;
  explicit TeeKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Returns `plaintext` encrypted for `public_jwk`, with a fresh ephemeral key, content key and
// nonce. kInvalidArgument: `public_jwk` is no point on P-256, or asks for another algorithm.
Result<std::string> EncryptJwe(std::string_view public_jwk, std::span<const std::byte> plaintext);

// Returns a key of `bits` (up to 256) by the Concat KDF of RFC 7518, 4.6, with SHA-256 in one
// round. `shared` is what both sides agreed on, the three texts are the header's alg, apu and apv.
Secret ConcatKdf(std::span<const std::byte> shared, std::string_view algorithm,
                 std::string_view party_u, std::string_view party_v, unsigned bits);

}  // namespace locket::attest
