#include "attest/jose/jwe.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "attest/common/hash.h"
#include "attest/common/json.h"
#include "attest/jose/jwk_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr std::string_view kAlgorithm = "ECDH-ES+A256KW";
constexpr std::string_view kEncryption = "A256GCM";
constexpr size_t kKeyBytes = 32;
constexpr size_t kWrappedBytes = kKeyBytes + 8;  // RFC 3394 adds one block of eight
constexpr size_t kIvBytes = 12;
constexpr size_t kTagBytes = 16;

void AppendBe32(std::vector<std::byte>& out, size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::byte>(value >> static_cast<unsigned>(shift) & 0xFFU));
  }
}

void AppendCounted(std::vector<std::byte>& out, std::string_view text) {
  AppendBe32(out, text.size());
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
}

// AES key wrap (RFC 3394): its own check value says whether `in` was wrapped under `kek`.
Result<Secret> Wrap(const Secret& kek, std::span<const std::byte> in, bool encrypt) {
  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  Secret out(encrypt ? kWrappedBytes : kKeyBytes);
  // OpenSSL writes a block more than it returns when it unwraps.
  Secret room(kWrappedBytes + 8);
  int size = 0;
  if (EVP_CipherInit_ex(context.get(), EVP_aes_256_wrap(), nullptr, Bytes(kek.Reveal()), nullptr,
                        encrypt ? 1 : 0) != 1 ||
      EVP_CipherUpdate(context.get(), Out(room.Reveal()), &size, Bytes(in),
                       static_cast<int>(in.size())) != 1 ||
      static_cast<size_t>(size) != out.Reveal().size()) {
    ERR_clear_error();
    return Error(ErrorCode::kDataLoss, "the content key was not wrapped for this key");
  }
  std::copy_n(room.Reveal().begin(), out.Reveal().size(), out.Reveal().begin());
  return out;
}

struct Jwe {
  std::string protected_header;  // as it travelled: base64url
  nlohmann::json header;
  std::string additional;  // what is authenticated besides the ciphertext
  std::vector<std::byte> encrypted_key;
  std::vector<std::byte> iv;
  std::vector<std::byte> ciphertext;
  std::vector<std::byte> tag;
};

Result<std::vector<std::byte>> Field(const nlohmann::json& object, std::string_view name) {
  LOCKET_TRY_ASSIGN(const auto text, JsonText(object, name));
  return Base64UrlDecode(text).While("'" + std::string(name) + "'");
}

Status CheckSize(const std::vector<std::byte>& bytes, size_t expected, std::string_view name) {
  if (bytes.size() == expected) return Ok();
  return Error(ErrorCode::kInvalidArgument, "'" + std::string(name) + "' has " +
                                                std::to_string(bytes.size()) + " bytes, not " +
                                                std::to_string(expected));
}

Status CheckHeader(const nlohmann::json& header) {
  LOCKET_TRY_ASSIGN(const auto algorithm, JsonText(header, "alg"));
  LOCKET_TRY_ASSIGN(const auto encryption, JsonText(header, "enc"));
  if (algorithm != kAlgorithm || encryption != kEncryption) {
    return Error(ErrorCode::kInvalidArgument, "'" + Shortened(algorithm) + "' with '" +
                                                  Shortened(encryption) +
                                                  "' is not ECDH-ES+A256KW with A256GCM");
  }
  for (const char* name : {"crit", "zip"}) {
    if (header.contains(name)) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string("header parameter '") + name + "' is not understood");
    }
  }
  return Ok();
}

Result<Jwe> Parse(std::string_view jwe_json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(jwe_json, 4 * kMaxJsonBytes));
  Jwe jwe;
  LOCKET_TRY_ASSIGN(jwe.protected_header, JsonText(object, "protected"));
  LOCKET_TRY_ASSIGN(const auto header, Base64UrlDecode(jwe.protected_header).While("'protected'"));
  LOCKET_TRY_ASSIGN(jwe.header, ParseJsonObject(AsText(header)).While("'protected'"));
  LOCKET_TRY(CheckHeader(jwe.header));
  LOCKET_TRY_ASSIGN(jwe.encrypted_key, Field(object, "encrypted_key"));
  LOCKET_TRY_ASSIGN(jwe.iv, Field(object, "iv"));
  LOCKET_TRY_ASSIGN(jwe.ciphertext, Field(object, "ciphertext"));
  LOCKET_TRY_ASSIGN(jwe.tag, Field(object, "tag"));
  LOCKET_TRY(CheckSize(jwe.encrypted_key, kWrappedBytes, "encrypted_key"));
  LOCKET_TRY(CheckSize(jwe.iv, kIvBytes, "iv"));
  LOCKET_TRY(CheckSize(jwe.tag, kTagBytes, "tag"));
  jwe.additional = jwe.protected_header;
  if (object.contains("aad")) {
    LOCKET_TRY_ASSIGN(const auto aad, JsonText(object, "aad"));
    jwe.additional += "." + aad;
  }
  return jwe;
}

Result<std::string> PartyInfo(const nlohmann::json& header, std::string_view name) {
  if (!header.contains(name)) return std::string();
  LOCKET_TRY_ASSIGN(const auto bytes, Field(header, name));
  return std::string(AsText(bytes));
}

Result<Secret> OpenContent(const Jwe& jwe, const Secret& content_key) {
  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  Secret plain(jwe.ciphertext.size());
  std::vector<std::byte> tag = jwe.tag;
  int size = 0;
  const bool opened =
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(content_key.Reveal()),
                         Bytes(jwe.iv)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &size, Bytes(AsBytes(jwe.additional)),
                        static_cast<int>(jwe.additional.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), Out(plain.Reveal()), &size, Bytes(jwe.ciphertext),
                        static_cast<int>(jwe.ciphertext.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), nullptr, &size) == 1;
  if (!opened) {
    ERR_clear_error();
    return Error(ErrorCode::kDataLoss, "the content was changed");
  }
  return plain;
}

struct Sealed {
  std::vector<std::byte> ciphertext;
  std::array<std::byte, kTagBytes> tag{};
};

Result<Sealed> SealContent(const Secret& key, std::span<const std::byte> iv,
                           std::string_view additional, std::span<const std::byte> plain) {
  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  Sealed sealed{.ciphertext = std::vector<std::byte>(plain.size())};
  int size = 0;
  if (EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key.Reveal()),
                         Bytes(iv)) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &size, Bytes(AsBytes(additional)),
                        static_cast<int>(additional.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), Out(sealed.ciphertext), &size, Bytes(plain),
                        static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), nullptr, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, sealed.tag.data()) !=
          1) {
    return OpenSslError("encrypt");
  }
  return sealed;
}

}  // namespace

Secret ConcatKdf(std::span<const std::byte> shared, std::string_view algorithm,
                 std::string_view party_u, std::string_view party_v, unsigned bits) {
  // RFC 7518, 4.6.2: round counter | Z | AlgorithmID | PartyUInfo | PartyVInfo | SuppPubInfo.
  Secret first(4 + shared.size());
  first.Reveal()[3] = std::byte{1};
  std::copy(shared.begin(), shared.end(), first.Reveal().begin() + 4);
  std::vector<std::byte> info;
  AppendCounted(info, algorithm);
  AppendCounted(info, party_u);
  AppendCounted(info, party_v);
  AppendBe32(info, bits);
  const DigestContextPtr context(EVP_MD_CTX_new());
  Secret digest(32);
  if (EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), first.Reveal().data(), first.Reveal().size()) != 1 ||
      EVP_DigestUpdate(context.get(), info.data(), info.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), Out(digest.Reveal()), nullptr) != 1) {
    std::abort();  // only without memory
  }
  Secret out(std::min<size_t>(bits / 8, 32));
  std::copy_n(digest.Reveal().begin(), out.Reveal().size(), out.Reveal().begin());
  return out;
}

struct TeeKey::Impl {
  PkeyPtr key;
};

TeeKey::TeeKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TeeKey::TeeKey(TeeKey&&) noexcept = default;
TeeKey::~TeeKey() = default;

Result<TeeKey> TeeKey::Generate() {
  LOCKET_TRY_ASSIGN(auto key, GenerateP256());
  return TeeKey(std::make_unique<Impl>(Impl{.key = std::move(key)}));
}

Result<TeeKey> TeeKey::FromJwk(std::string_view private_jwk) {
  LOCKET_TRY_ASSIGN(const auto json, ParseJsonObject(private_jwk));
  LOCKET_TRY_ASSIGN(auto key, PrivateP256FromJwk(json));
  return TeeKey(std::make_unique<Impl>(Impl{.key = std::move(key)}));
}

std::string TeeKey::PublicJwk() const {
  nlohmann::json jwk = PublicP256ToJwk(impl_->key.get());
  jwk["alg"] = kAlgorithm;
  return DumpJson(jwk);
}

Result<Secret> TeeKey::Decrypt(std::string_view jwe_json) const {
  LOCKET_TRY_ASSIGN(const auto jwe, Parse(jwe_json).While("JWE"));
  const auto epk = jwe.header.find("epk");
  if (epk == jwe.header.end()) {
    return Error(ErrorCode::kInvalidArgument, "JWE: 'epk' is missing");
  }
  LOCKET_TRY_ASSIGN(const auto peer, PublicP256FromJwk(*epk).While("JWE: 'epk'"));
  LOCKET_TRY_ASSIGN(const auto party_u, PartyInfo(jwe.header, "apu").While("JWE"));
  LOCKET_TRY_ASSIGN(const auto party_v, PartyInfo(jwe.header, "apv").While("JWE"));
  LOCKET_TRY_ASSIGN(const auto shared, Ecdh(impl_->key.get(), peer.get()));
  const Secret kek = ConcatKdf(shared.Reveal(), kAlgorithm, party_u, party_v, 256);
  LOCKET_TRY_ASSIGN(const auto content_key,
                    Wrap(kek, jwe.encrypted_key, /*encrypt=*/false).While("JWE"));
  return OpenContent(jwe, content_key).While("JWE");
}

Result<std::string> EncryptJwe(std::string_view public_jwk, std::span<const std::byte> plaintext) {
  LOCKET_TRY_ASSIGN(const auto json, ParseJsonObject(public_jwk).While("JWK"));
  if (json.contains("alg") && json["alg"] != kAlgorithm) {
    return Error(ErrorCode::kInvalidArgument,
                 "JWK: 'alg' is " + Shortened(DumpJson(json["alg"])) + ", not ECDH-ES+A256KW");
  }
  LOCKET_TRY_ASSIGN(const auto recipient, PublicP256FromJwk(json));
  LOCKET_TRY_ASSIGN(const auto ephemeral, GenerateP256());
  LOCKET_TRY_ASSIGN(const auto shared, Ecdh(ephemeral.get(), recipient.get()));
  const Secret kek = ConcatKdf(shared.Reveal(), kAlgorithm, "", "", 256);
  Secret content_key(kKeyBytes);
  FillRandom(content_key.Reveal());
  LOCKET_TRY_ASSIGN(const auto wrapped, Wrap(kek, content_key.Reveal(), /*encrypt=*/true));
  const nlohmann::json header{
      {"alg", kAlgorithm}, {"enc", kEncryption}, {"epk", PublicP256ToJwk(ephemeral.get())}};
  const std::string protected_header = Base64UrlEncode(AsBytes(DumpJson(header)));
  std::array<std::byte, kIvBytes> iv{};
  FillRandom(iv);
  LOCKET_TRY_ASSIGN(const auto sealed, SealContent(content_key, iv, protected_header, plaintext));
  return DumpJson({{"protected", protected_header},
                   {"encrypted_key", Base64UrlEncode(wrapped.Reveal())},
                   {"iv", Base64UrlEncode(iv)},
                   {"ciphertext", Base64UrlEncode(sealed.ciphertext)},
                   {"tag", Base64UrlEncode(sealed.tag)}});
}

}  // namespace locket::attest
