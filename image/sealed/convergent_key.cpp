#include "image/sealed/convergent_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "image/sealed/key_packet.h"

namespace locket::image {
namespace {

// Stands for this derivation and no other; a change of it is a new format.
constexpr std::string_view kLabel = "dev.locket.convergent.v1";

struct KdfFree {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

OSSL_PARAM Octets(const char* name, std::string_view bytes) {
  // OpenSSL takes what it only reads as not const.
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
}

bool Hkdf(const Secret& secret, std::string_view info, std::span<std::byte> out) {
  const std::unique_ptr<EVP_KDF, KdfFree> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  if (kdf == nullptr) return false;
  const std::unique_ptr<EVP_KDF_CTX, KdfFree> context(EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return false;
  std::string digest = "SHA256";
  const std::string_view key(reinterpret_cast<const char*>(secret.Reveal().data()),
                             secret.Reveal().size());
  const std::array parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      Octets(OSSL_KDF_PARAM_KEY, key), Octets(OSSL_KDF_PARAM_SALT, kLabel),
      Octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out.data()), out.size(),
                        parameters.data()) == 1;
}

}  // namespace

Result<ConvergentKey> DeriveConvergentKey(const Secret& tenant_secret, const Digest& diff_id,
                                          std::string_view variant) {
  if (tenant_secret.Reveal().size() != kConvergentSecretBytes) {
    return Error(ErrorCode::kInvalidArgument,
                 "the convergent secret has " + std::to_string(tenant_secret.Reveal().size()) +
                     " bytes, not 32; make one with 'locket key create'");
  }
  std::string info = diff_id.ToText();
  info.append(1, '\0').append(variant);
  Secret both(kLayerKeyBytes + sizeof(verity::Salt));
  if (!Hkdf(tenant_secret, info, both.Reveal())) {
    ERR_clear_error();
    return Error(ErrorCode::kInternal, "derive convergent key: OpenSSL failed");
  }
  ConvergentKey derived{.key = Secret(kLayerKeyBytes), .salt = {}};
  std::ranges::copy(both.Reveal().first(kLayerKeyBytes), derived.key.Reveal().begin());
  std::ranges::copy(both.Reveal().subspan(kLayerKeyBytes), derived.salt.begin());
  return derived;
}

}  // namespace locket::image
