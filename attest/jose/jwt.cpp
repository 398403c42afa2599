#include "attest/jose/jwt.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "attest/common/json.h"
#include "attest/common/openssl_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr std::chrono::seconds kSkew{60};

using EcdsaSignaturePtr = std::unique_ptr<ECDSA_SIG, OpenSslFree<ECDSA_SIG_free>>;

struct Algorithm {
  std::string_view name;
  const EVP_MD* digest;     // null: the key hashes by itself
  size_t coordinate_bytes;  // 0: the signature travels as it is
};

std::optional<Algorithm> AlgorithmOf(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) return Algorithm{"EdDSA", nullptr, 0};
  std::array<char, 32> group{};
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1) {
    const std::string_view name(group.data());
    if (name == "prime256v1") return Algorithm{"ES256", EVP_sha256(), 32};
    if (name == "secp384r1") return Algorithm{"ES384", EVP_sha384(), 48};
  }
  return std::nullopt;
}

// ECDSA in JWS is r || s (RFC 7518, 3.4), in OpenSSL DER.
Result<std::vector<std::byte>> RawFromDer(std::span<const std::byte> der, size_t coordinate_bytes) {
  const unsigned char* at = Bytes(der);
  const EcdsaSignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (signature == nullptr) return OpenSslError("read a signature");
  std::vector<std::byte> raw(2 * coordinate_bytes);
  const auto out = std::span<std::byte>(raw);
  const int width = static_cast<int>(coordinate_bytes);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), Out(out), width) != width ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), Out(out.subspan(coordinate_bytes)), width) !=
          width) {
    return OpenSslError("write a signature");
  }
  return raw;
}

Result<std::vector<std::byte>> DerFromRaw(std::span<const std::byte> raw, size_t coordinate_bytes) {
  if (raw.size() != 2 * coordinate_bytes) {
    return Error(ErrorCode::kPermissionDenied, "the signature has the wrong length");
  }
  const EcdsaSignaturePtr signature(ECDSA_SIG_new());
  const int width = static_cast<int>(coordinate_bytes);
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(Bytes(raw), width, nullptr),
                 BN_bin2bn(Bytes(raw.subspan(coordinate_bytes)), width, nullptr));
  std::vector<std::byte> der(static_cast<size_t>(i2d_ECDSA_SIG(signature.get(), nullptr)));
  unsigned char* at = Out(der);
  i2d_ECDSA_SIG(signature.get(), &at);
  return der;
}

Result<std::vector<std::byte>> SignBytes(EVP_PKEY* key, const Algorithm& algorithm,
                                         std::string_view text) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, algorithm.digest, nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, Bytes(AsBytes(text)), text.size()) != 1) {
    return OpenSslError("sign a token");
  }
  std::vector<std::byte> signature(size);
  if (EVP_DigestSign(context.get(), Out(signature), &size, Bytes(AsBytes(text)), text.size()) !=
      1) {
    return OpenSslError("sign a token");
  }
  signature.resize(size);
  if (algorithm.coordinate_bytes == 0) return signature;
  return RawFromDer(signature, algorithm.coordinate_bytes);
}

Status VerifyBytes(EVP_PKEY* key, const Algorithm& algorithm, std::string_view text,
                   std::vector<std::byte> signature) {
  if (algorithm.coordinate_bytes != 0) {
    LOCKET_TRY_ASSIGN(signature, DerFromRaw(signature, algorithm.coordinate_bytes));
  }
  const DigestContextPtr context(EVP_MD_CTX_new());
  if (EVP_DigestVerifyInit(context.get(), nullptr, algorithm.digest, nullptr, key) != 1) {
    return OpenSslError("verify a token");
  }
  if (EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(AsBytes(text)),
                       text.size()) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::kPermissionDenied, "the token is not signed by the expected key");
  }
  return Ok();
}

Result<int64_t> TimeClaim(const nlohmann::json& claims, std::string_view name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number_integer()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the token has no whole number '" + std::string(name) + "'");
  }
  if (found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX) {
    return Error(ErrorCode::kInvalidArgument, "the token's '" + std::string(name) + "' is no time");
  }
  return found->get<int64_t>();
}

Status CheckTimes(const nlohmann::json& claims, std::chrono::system_clock::time_point now) {
  const int64_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  LOCKET_TRY_ASSIGN(const int64_t expires, TimeClaim(claims, "exp"));
  if (expires <= seconds) return Error(ErrorCode::kFailedPrecondition, "the token has expired");
  for (const char* name : {"iat", "nbf"}) {
    if (!claims.contains(name)) continue;
    LOCKET_TRY_ASSIGN(const int64_t starts, TimeClaim(claims, name));
    if (starts > seconds + kSkew.count()) {
      return Error(ErrorCode::kFailedPrecondition,
                   "the token starts in the future: compare the two clocks");
    }
  }
  return Ok();
}

struct TokenParts {
  std::string_view signed_text;
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
};

Result<TokenParts> Split(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (token.size() > kMaxTokenBytes || second == std::string_view::npos ||
      token.find('.', second + 1) != std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument, "not a token of three parts");
  }
  return TokenParts{.signed_text = token.substr(0, second),
                    .header = token.substr(0, first),
                    .claims = token.substr(first + 1, second - first - 1),
                    .signature = token.substr(second + 1)};
}

Result<nlohmann::json> DecodePart(std::string_view part, std::string_view name) {
  LOCKET_TRY_ASSIGN(const auto bytes, Base64UrlDecode(part).While("token " + std::string(name)));
  return ParseJsonObject(AsText(bytes)).While("token " + std::string(name));
}

Error NoKey(std::string_view kind) {
  return {ErrorCode::kInvalidArgument, "no " + std::string(kind) +
                                           " key in PEM form of kind Ed25519, P-256 or P-384 (" +
                                           OpenSslReason() + ")"};
}

}  // namespace

struct SigningKey::Impl {
  PkeyPtr key;
  Algorithm algorithm;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::Generate() {
  PkeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("make a P-256 key");
  const auto algorithm = AlgorithmOf(key.get());
  return SigningKey(std::make_unique<Impl>(Impl{.key = std::move(key), .algorithm = *algorithm}));
}

Result<SigningKey> SigningKey::FromPem(std::string_view private_pem) {
  const BioPtr bio = ReadOnlyBio(private_pem);
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassPhrase, nullptr));
  const auto algorithm = key == nullptr ? std::nullopt : AlgorithmOf(key.get());
  if (!algorithm) return NoKey("private");
  return SigningKey(std::make_unique<Impl>(Impl{.key = std::move(key), .algorithm = *algorithm}));
}

bool SigningKey::is_ed25519() const { return impl_->algorithm.name == "EdDSA"; }

std::string SigningKey::PublicPem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PUBKEY(bio.get(), impl_->key.get()) != 1) std::abort();  // only without memory
  return BioText(bio.get());
}

Result<std::string> SigningKey::Sign(std::string_view claims) const {
  const nlohmann::json header{{"alg", impl_->algorithm.name}, {"typ", "JWT"}};
  std::string token =
      Base64UrlEncode(AsBytes(DumpJson(header))) + "." + Base64UrlEncode(AsBytes(claims));
  LOCKET_TRY_ASSIGN(const auto signature, SignBytes(impl_->key.get(), impl_->algorithm, token));
  return token + "." + Base64UrlEncode(signature);
}

struct VerificationKey::Impl {
  PkeyPtr key;
  Algorithm algorithm;
};

VerificationKey::VerificationKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VerificationKey::VerificationKey(VerificationKey&&) noexcept = default;
VerificationKey::~VerificationKey() = default;

Result<VerificationKey> VerificationKey::FromPem(std::string_view public_pem) {
  const BioPtr bio = ReadOnlyBio(public_pem);
  PkeyPtr key(PEM_read_bio_PUBKEY(bio.get(), nullptr, NoPassPhrase, nullptr));
  const auto algorithm = key == nullptr ? std::nullopt : AlgorithmOf(key.get());
  if (!algorithm) return NoKey("public");
  return VerificationKey(
      std::make_unique<Impl>(Impl{.key = std::move(key), .algorithm = *algorithm}));
}

bool VerificationKey::is_ed25519() const { return impl_->algorithm.name == "EdDSA"; }

Result<std::string> VerificationKey::Verify(std::string_view token,
                                            std::chrono::system_clock::time_point now) const {
  LOCKET_TRY_ASSIGN(const auto parts, Split(token));
  LOCKET_TRY_ASSIGN(const auto header, DecodePart(parts.header, "header"));
  LOCKET_TRY_ASSIGN(const auto algorithm, JsonText(header, "alg").While("token header"));
  if (algorithm != impl_->algorithm.name) {
    return Error(ErrorCode::kPermissionDenied, "the token is signed with '" + Shortened(algorithm) +
                                                   "', the key is for " +
                                                   std::string(impl_->algorithm.name));
  }
  if (header.contains("crit")) {
    return Error(ErrorCode::kInvalidArgument, "token header parameter 'crit' is not understood");
  }
  LOCKET_TRY_ASSIGN(auto signature, Base64UrlDecode(parts.signature).While("token signature"));
  LOCKET_TRY(
      VerifyBytes(impl_->key.get(), impl_->algorithm, parts.signed_text, std::move(signature)));
  LOCKET_TRY_ASSIGN(const auto claims, DecodePart(parts.claims, "claims"));
  LOCKET_TRY(CheckTimes(claims, now));
  return DumpJson(claims);
}

}  // namespace locket::attest
