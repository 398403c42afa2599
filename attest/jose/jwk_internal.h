// P-256 keys between JWK and OpenSSL. For the crypto .cpp files of attest alone.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "attest/common/openssl_internal.h"
#include "base/result.h"
#include "base/secret.h"

namespace locket::attest {

Result<PkeyPtr> GenerateP256();
// Each reads a key and checks that its point is on the curve: agreeing on a secret with a point off
// the curve would give the private key away. kInvalidArgument: not kty EC, not crv P-256, a
// coordinate that is not 32 bytes in base64url, or not a point of the curve.
Result<PkeyPtr> PublicP256FromJwk(const nlohmann::json& jwk);
// As above. "d" is not compared with the point.
Result<PkeyPtr> PrivateP256FromJwk(const nlohmann::json& jwk);
// Returns {"kty","crv","x","y"} of a key on P-256, never its private part.
nlohmann::json PublicP256ToJwk(EVP_PKEY* key);
// Returns the x coordinate of the point that both sides share, 32 bytes.
Result<Secret> Ecdh(EVP_PKEY* own, EVP_PKEY* peer);

}  // namespace locket::attest
