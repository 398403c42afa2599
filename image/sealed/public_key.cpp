// The checking half of signature.h: ECDSA through OpenSSL.
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <utility>

#include "image/sealed/ec_key.h"
#include "image/sealed/signature.h"

namespace locket::image {

constexpr size_t kMaxPemBytes = 64U << 10;

struct PublicKey::Key {
  EcKey key;
};

PublicKey::PublicKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

Result<PublicKey> PublicKey::FromPem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) {
    return Error(ErrorCode::kInvalidArgument, "public key: larger than 64 KiB");
  }
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EcKey key(bio == nullptr ? nullptr : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return Error(ErrorCode::kInvalidArgument,
                 "public key: not PEM that begins with '-----BEGIN PUBLIC KEY-----'");
  }
  LOCKET_TRY(CheckP256(key.get()).While("public key"));
  return PublicKey(std::make_unique<Key>(Key{.key = std::move(key)}));
}

bool PublicKey::Verifies(std::span<const std::byte> bytes,
                         std::span<const std::byte> signature) const {
  const DigestContext context(EVP_MD_CTX_new());
  const auto* raw = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* der = reinterpret_cast<const unsigned char*>(signature.data());
  const bool good =
      context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->key.get()) == 1 &&
      EVP_DigestVerify(context.get(), der, signature.size(), raw, bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

Status CheckP256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  size_t size = 0;
  const bool named = EVP_PKEY_is_a(key, "EC") == 1 &&
                     EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(),
                                                    group.size(), &size) == 1;
  ERR_clear_error();
  if (named && std::string_view(group.data(), size) == "prime256v1") return Ok();
  return Error(ErrorCode::kInvalidArgument, "not an ECDSA key of the curve P-256");
}

}  // namespace locket::image
