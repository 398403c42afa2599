// P-256 keys between JWK and OpenSSL. For the crypto .cpp files of attest alone.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "attest/openssl_internal.h"
#include "base/result.h"
#include "base/secret.h"

namespace locket::attest {

Result<PkeyPtr> GenerateP256();
// kInvalidArgument: not EC, not P-256, or not a point of the curve.
Result<PkeyPtr> PublicP256FromJwk(const nlohmann::json& jwk);
Result<PkeyPtr> PrivateP256FromJwk(const nlohmann::json& jwk);
// {"kty","crv","x","y"}
nlohmann::json PublicP256ToJwk(EVP_PKEY* key);
// The x coordinate both sides share.
Result<Secret> Ecdh(EVP_PKEY* own, EVP_PKEY* peer);

}  // namespace locket::attest
