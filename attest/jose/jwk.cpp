#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <array>
#include <vector>

#include "attest/common/json.h"
#include "attest/jose/jwk_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr size_t kCoordinateBytes = 32;

using BignumPtr = std::unique_ptr<BIGNUM, OpenSslFree<BN_clear_free>>;
using ParamBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, OpenSslFree<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, OpenSslFree<OSSL_PARAM_free>>;

Result<std::vector<std::byte>> Coordinate(const nlohmann::json& jwk, std::string_view name) {
  LOCKET_TRY_ASSIGN(const auto text, JsonText(jwk, name));
  LOCKET_TRY_ASSIGN(auto bytes, Base64UrlDecode(text).While("'" + std::string(name) + "'"));
  if (bytes.size() != kCoordinateBytes) {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(name) + "' has " +
                                                  std::to_string(bytes.size()) + " bytes, not 32");
  }
  return bytes;
}

Result<PkeyPtr> FromJwk(const nlohmann::json& jwk, bool with_private) {
  if (!jwk.is_object()) return Error(ErrorCode::kInvalidArgument, "no JSON object");
  for (const auto& [name, expected] : {std::pair{"kty", "EC"}, {"crv", "P-256"}}) {
    LOCKET_TRY_ASSIGN(const auto value, JsonText(jwk, name));
    if (value != expected) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string("'") + name + "' is '" + Shortened(value) + "', not " + expected);
    }
  }
  LOCKET_TRY_ASSIGN(const auto x, Coordinate(jwk, "x"));
  LOCKET_TRY_ASSIGN(const auto y, Coordinate(jwk, "y"));
  std::vector<std::byte> point{std::byte{4}};  // uncompressed
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  BignumPtr d;  // outlives the builder's use of it
  if (with_private) {
    LOCKET_TRY_ASSIGN(const auto bytes, Coordinate(jwk, "d"));
    d.reset(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, d.get());
  }
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder.get()));
  const PkeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, with_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        params.get()) != 1) {
    return Error(ErrorCode::kInvalidArgument, "not a point of P-256: " + OpenSslReason());
  }
  PkeyPtr owned(key);
  const PkeyContextPtr check(EVP_PKEY_CTX_new(key, nullptr));
  if (EVP_PKEY_public_check(check.get()) != 1) {
    return Error(ErrorCode::kInvalidArgument, "not a point of P-256: " + OpenSslReason());
  }
  return owned;
}

}  // namespace

Result<PkeyPtr> GenerateP256() {
  PkeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("make a P-256 key");
  return key;
}

Result<PkeyPtr> PublicP256FromJwk(const nlohmann::json& jwk) {
  return FromJwk(jwk, /*with_private=*/false).While("JWK");
}

Result<PkeyPtr> PrivateP256FromJwk(const nlohmann::json& jwk) {
  return FromJwk(jwk, /*with_private=*/true).While("private JWK");
}

nlohmann::json PublicP256ToJwk(EVP_PKEY* key) {
  std::array<std::byte, 1 + 2 * kCoordinateBytes> point{};
  size_t size = 0;
  const int done = EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, Out(point),
                                                   point.size(), &size);
  // Every caller made `key` on P-256 itself, so it has an uncompressed point.
  if (done != 1 || size != point.size()) std::abort();
  const std::span<const std::byte> bytes(point);
  return {{"kty", "EC"},
          {"crv", "P-256"},
          {"x", Base64UrlEncode(bytes.subspan(1, kCoordinateBytes))},
          {"y", Base64UrlEncode(bytes.subspan(1 + kCoordinateBytes))}};
}

Result<Secret> Ecdh(EVP_PKEY* own, EVP_PKEY* peer) {
  const PkeyContextPtr context(EVP_PKEY_CTX_new(own, nullptr));
  Secret shared(kCoordinateBytes);
  size_t size = kCoordinateBytes;
  if (context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), Out(shared.Reveal()), &size) != 1 ||
      size != kCoordinateBytes) {
    return OpenSslError("agree on a key");
  }
  return shared;
}

}  // namespace locket::attest
