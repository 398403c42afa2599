#include "image/signing/cosign_key.h"

#include <sodium.h>

#include <string>
#include <utility>

#include "base/encoding.h"
#include "image/oci/json_object.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr size_t kMaxJsonBytes = 64U << 10;
constexpr uint64_t kMinScryptN = 1U << 14;
// cosign writes 2^15 or 2^16; 128 * N * r is the memory, 1 GiB at most.
constexpr uint64_t kMaxScryptN = 1U << 20;
constexpr uint64_t kMaxScryptR = 8;
constexpr uint64_t kMaxScryptP = 4;

std::vector<std::byte> ReadBase64(FieldReader& reader, std::string_view name) {
  auto bytes = Base64Decode(reader.RequiredText(name));
  if (bytes.ok()) return std::move(*bytes);
  reader.Fail(name, bytes.error().message());
  return {};
}

void ExpectText(FieldReader& reader, std::string_view name, std::string_view expected) {
  if (reader.RequiredText(name) != expected) {
    reader.Fail(name, "only '" + std::string(expected) + "' is known here");
  }
}

uint64_t ReadBounded(FieldReader& reader, std::string_view name, uint64_t least, uint64_t most) {
  const uint64_t value = reader.RequiredUint(name);
  if (value < least || value > most) {
    reader.Fail(name, "not " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

const unsigned char* Raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* RawOut(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

Result<CosignKey> DecodeCosignKey(std::string_view text) {
  constexpr std::string_view kDoing = "read cosign key";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxJsonBytes}).While(kDoing));
  FieldReader reader(document, "");
  json kdf = reader.Required("kdf");
  FieldReader kdf_reader(kdf, "kdf");
  ExpectText(kdf_reader, "name", "scrypt");
  json parameters = kdf_reader.Required("params");
  FieldReader parameter_reader(parameters, "kdf.params");
  json cipher = reader.Required("cipher");
  FieldReader cipher_reader(cipher, "cipher");
  ExpectText(cipher_reader, "name", "nacl/secretbox");
  CosignKey key{
      .scrypt_n = ReadBounded(parameter_reader, "N", kMinScryptN, kMaxScryptN),
      .scrypt_r = static_cast<uint32_t>(ReadBounded(parameter_reader, "r", 1, kMaxScryptR)),
      .scrypt_p = static_cast<uint32_t>(ReadBounded(parameter_reader, "p", 1, kMaxScryptP)),
      .salt = ReadBase64(kdf_reader, "salt"),
      .nonce = ReadBase64(cipher_reader, "nonce"),
      .ciphertext = ReadBase64(reader, "ciphertext")};
  if ((key.scrypt_n & (key.scrypt_n - 1)) != 0) parameter_reader.Fail("N", "not a power of two");
  if (key.nonce.size() != crypto_secretbox_NONCEBYTES) cipher_reader.Fail("nonce", "not 24 bytes");
  if (key.ciphertext.size() <= crypto_secretbox_MACBYTES) reader.Fail("ciphertext", "too short");
  kdf_reader.Adopt(parameter_reader);
  reader.Adopt(kdf_reader);
  reader.Adopt(cipher_reader);
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return key;
}

Result<Secret> OpenCosignKey(const CosignKey& key, const Secret& passphrase) {
  if (sodium_init() < 0) return Error(ErrorCode::kInternal, "libsodium cannot be used");
  Secret box_key(crypto_secretbox_KEYBYTES);
  if (crypto_pwhash_scryptsalsa208sha256_ll(Raw(passphrase.Reveal()), passphrase.Reveal().size(),
                                            Raw(key.salt), key.salt.size(), key.scrypt_n,
                                            key.scrypt_r, key.scrypt_p, RawOut(box_key.Reveal()),
                                            box_key.Reveal().size()) != 0) {
    return Error(ErrorCode::kResourceExhausted, "cosign key: scrypt found not enough memory");
  }
  Secret plain(key.ciphertext.size() - crypto_secretbox_MACBYTES);
  if (crypto_secretbox_open_easy(RawOut(plain.Reveal()), Raw(key.ciphertext), key.ciphertext.size(),
                                 Raw(key.nonce), Raw(box_key.Reveal())) != 0) {
    return Error(ErrorCode::kPermissionDenied, "the passphrase does not open the key");
  }
  return plain;
}

}  // namespace locket::image
