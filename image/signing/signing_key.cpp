#include "image/signing/signing_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/encoding.h"
#include "image/sealed/ec_key.h"
#include "image/signing/cosign_key.h"

namespace locket::image {
namespace {

constexpr std::string_view kCosignLabels[] = {"ENCRYPTED COSIGN PRIVATE KEY",
                                              "ENCRYPTED SIGSTORE PRIVATE KEY"};

std::string_view Text(const Secret& pem) { return AsText(pem.Reveal()); }

bool IsCosignKey(const Secret& pem) {
  return std::ranges::any_of(kCosignLabels, [&](std::string_view label) {
    return Text(pem).find("-----BEGIN " + std::string(label) + "-----") != std::string_view::npos;
  });
}

Bio Reader(const Secret& pem) {
  return Bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.Reveal().size())));
}

// OpenSSL's question for a passphrase; -1 is none, so that it never asks the terminal.
int GivePassphrase(char* buffer, int size, int /*writing*/, void* passphrase) {
  const auto* secret = static_cast<const Secret*>(passphrase);
  if (secret == nullptr || secret->Reveal().size() > static_cast<size_t>(size)) return -1;
  std::ranges::copy(AsText(secret->Reveal()), buffer);
  return static_cast<int>(secret->Reveal().size());
}

Result<EcKey> ReadCosign(const Secret& pem, const Secret& passphrase) {
  const Bio bio = Reader(pem);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  const int read = PEM_read_bio(bio.get(), &name, &header, &data, &size);
  const std::string json(reinterpret_cast<const char*>(data),
                         read == 1 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  if (read != 1) return Error(ErrorCode::kInvalidArgument, "its PEM is damaged");
  LOCKET_TRY_ASSIGN(const CosignKey sealed, DecodeCosignKey(json));
  LOCKET_TRY_ASSIGN(const Secret der, OpenCosignKey(sealed, passphrase));
  const auto* at = reinterpret_cast<const unsigned char*>(der.Reveal().data());
  return EcKey(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.Reveal().size())));
}

Result<EcKey> ReadKey(const Secret& pem, const Secret* passphrase) {
  if (passphrase == nullptr && IsEncryptedKey(pem)) {
    return Error(ErrorCode::kFailedPrecondition, "the key is encrypted and needs its passphrase");
  }
  if (IsCosignKey(pem)) return ReadCosign(pem, *passphrase);
  const Bio bio = Reader(pem);
  EcKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &GivePassphrase,
                                    const_cast<Secret*>(passphrase)));
  if (key == nullptr && IsEncryptedKey(pem)) {
    return Error(ErrorCode::kPermissionDenied, "the passphrase does not open the key");
  }
  return key;
}

}  // namespace

struct SigningKey::Key {
  EcKey key;
};

SigningKey::SigningKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

bool IsEncryptedKey(const Secret& pem) {
  const auto has = [&](std::string_view mark) { return Text(pem).find(mark) != std::string::npos; };
  return has("-----BEGIN ENCRYPTED") || has("Proc-Type: 4,ENCRYPTED");
}

Result<SigningKey> SigningKey::FromPem(const Secret& pem, const Secret* passphrase) {
  if (pem.Reveal().size() > kMaxSigningKeyBytes) {
    return Error(ErrorCode::kInvalidArgument, "signing key: larger than 64 KiB");
  }
  auto read = ReadKey(pem, passphrase);
  ERR_clear_error();
  LOCKET_TRY_ASSIGN(EcKey key, std::move(read).While("signing key"));
  if (key == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "signing key: not a private key in PEM");
  }
  LOCKET_TRY(CheckP256(key.get()).While("signing key"));
  return SigningKey(std::make_unique<Key>(Key{.key = std::move(key)}));
}

Result<std::vector<std::byte>> SigningKey::Sign(std::span<const std::byte> bytes) const {
  const DigestContext context(EVP_MD_CTX_new());
  const auto* raw = reinterpret_cast<const unsigned char*>(bytes.data());
  std::vector<std::byte> signature(static_cast<size_t>(EVP_PKEY_get_size(key_->key.get())));
  size_t size = signature.size();
  const bool done =
      context != nullptr &&
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->key.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, raw,
                     bytes.size()) == 1;
  ERR_clear_error();
  if (!done) return Error(ErrorCode::kInternal, "sign: OpenSSL failed");
  signature.resize(size);
  return signature;
}

Result<PublicKey> SigningKey::Public() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), key_->key.get()) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::kInternal, "public key: OpenSSL failed");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return PublicKey::FromPem(std::string_view(data, static_cast<size_t>(size)));
}

}  // namespace locket::image
