// JSON, keys and tokens made by somebody who wants them to be misread.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "attest/common/json.h"
#include "attest/jose/jwe.h"
#include "attest/jose/jwt.h"
#include "attest/kbs/admin_token.h"
#include "base/encoding.h"
#include "base/subprocess.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

const auto kNow = std::chrono::system_clock::from_time_t(1000);

std::string Part(std::string_view json) { return Base64UrlEncode(AsBytes(json)); }

class HostileTokenTest : public ::testing::Test {
 protected:
  std::string Verify(const std::string& token) const {
    const auto claims = verification_.Verify(token, kNow);
    return claims.ok() ? "accepted" : claims.error().message();
  }
  // Whatever the header says, with the signature of a good token.
  std::string WithHeader(const std::string& header) const {
    const std::string good = key_.Sign(R"({"exp":2000})").value();
    return Verify(Part(header) + good.substr(good.find('.')));
  }

  SigningKey key_ = SigningKey::Generate().value();
  VerificationKey verification_ = VerificationKey::FromPem(key_.PublicPem()).value();
};

TEST_F(HostileTokenTest, TheKeyDecidesTheAlgorithmNotTheHeader) {
  EXPECT_EQ(Verify(key_.Sign(R"({"exp":2000})").value()), "accepted");
  for (const char* name : {"none", "None", "NONE", "nOnE", "", "HS256", "HS512", "RS256", "PS256",
                           "ES384", "ES512", "ES256K", "EdDSA", "es256", "ES256 "}) {
    EXPECT_THAT(WithHeader(std::string(R"({"alg":")") + name + "\"}"),
                HasSubstr(std::string("is signed with '") + name + "', the key is for ES256"));
  }
  for (const char* header :
       {"{}", R"({"alg":null})", R"({"alg":["ES256"]})", R"({"alg":256})", R"({"ALG":"ES256"})"}) {
    EXPECT_THAT(WithHeader(header), HasSubstr("token header: 'alg'")) << header;
  }
}

// The classic: the public key's text as the secret of an HMAC.
TEST_F(HostileTokenTest, APublicKeyIsNoHmacSecret) {
  const std::string text = Part(R"({"alg":"HS256"})") + "." + Part(R"({"exp":2000})");
  const std::string pem = key_.PublicPem();
  std::array<std::byte, 32> mac{};
  unsigned size = 0;
  ::HMAC(EVP_sha256(), pem.data(), static_cast<int>(pem.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(mac.data()), &size);
  EXPECT_THAT(Verify(text + "." + Base64UrlEncode(mac)), HasSubstr("'HS256'"));
}

TEST_F(HostileTokenTest, SignaturesOfOtherShapesAreRefused) {
  const std::string good = key_.Sign(R"({"exp":2000})").value();
  const std::string signed_text = good.substr(0, good.rfind('.') + 1);
  const auto raw = Base64UrlDecode(good.substr(good.rfind('.') + 1)).value();
  const std::vector<std::byte> zeros(64);
  std::vector<std::byte> longer = raw;
  longer.push_back(std::byte{0});
  EXPECT_THAT(Verify(signed_text), HasSubstr("wrong length"));
  EXPECT_THAT(Verify(signed_text + Base64UrlEncode(std::span(raw).first(63))),
              HasSubstr("wrong length"));
  EXPECT_THAT(Verify(signed_text + Base64UrlEncode(longer)), HasSubstr("wrong length"));
  EXPECT_THAT(Verify(signed_text + Base64UrlEncode(zeros)), HasSubstr("not signed by"));
  EXPECT_THAT(Verify(good + "="), HasSubstr("token signature"));
  EXPECT_THAT(Verify(good + "\n"), HasSubstr("token signature"));
}

TEST_F(HostileTokenTest, NamedTwiceOrNotUnderstoodIsRefused) {
  EXPECT_THAT(WithHeader(R"({"alg":"none","alg":"ES256"})"), HasSubstr("'alg' twice"));
  EXPECT_THAT(WithHeader(R"({"alg":"ES256","alg":"none"})"), HasSubstr("'alg' twice"));
  EXPECT_THAT(WithHeader(R"({"alg":"ES256","crit":["exp"],"exp":1})"), HasSubstr("'crit'"));
  EXPECT_THAT(Verify(key_.Sign(R"({"exp":2000,"exp":3000})").value()), HasSubstr("'exp' twice"));
}

TEST_F(HostileTokenTest, TimesThatAreNoTimesAreRefused) {
  const std::pair<const char*, const char*> table[] = {
      {R"({"exp":18446744073709551615})", "'exp' is no time"},
      {R"({"exp":9223372036854775808})", "'exp' is no time"},
      {R"({"exp":99999999999999999999})", "no whole number 'exp'"},
      {R"({"exp":1e300})", "no whole number 'exp'"},
      {R"({"exp":2000.5})", "no whole number 'exp'"},
      {R"({"exp":-1})", "expired"},
      {R"({"exp":true})", "no whole number 'exp'"},
      {R"({"exp":2000,"iat":18446744073709551615})", "'iat' is no time"},
      {R"({"exp":2000,"nbf":"1"})", "no whole number 'nbf'"},
      {R"({"exp":2000,"nbf":1061})", "starts in the future"}};
  for (const auto& [claims, reason] : table) {
    EXPECT_THAT(Verify(key_.Sign(claims).value()), HasSubstr(reason)) << claims;
  }
  EXPECT_EQ(Verify(key_.Sign(R"({"exp":9223372036854775807})").value()), "accepted");
}

TEST_F(HostileTokenTest, WhatAStrangerSaysIsCutInTheRefusal) {
  const std::string refusal = WithHeader(R"({"alg":")" + std::string(30000, 'a') + "\\u0000\\n\"}");
  EXPECT_THAT(refusal, HasSubstr("aaa..."));
  EXPECT_LT(refusal.size(), 400U);
}

constexpr auto kBob =
    R"({"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",)"
    R"("y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",)"
    R"("d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"})";

std::string EncryptTo(const std::string& jwk) {
  const auto jwe = EncryptJwe(jwk, AsBytes("secret"));
  return jwe.ok() ? "encrypted" : jwe.error().message();
}

// A point off the curve, or on another one, gives the secret of small subgroups away.
TEST(HostileJwkTest, OfAnotherCurveOrNoPointIsRefused) {
  const auto with = [](const std::string& name, const nlohmann::json& value) {
    auto jwk = nlohmann::json::parse(kBob);
    jwk[name] = value;
    return EncryptTo(jwk.dump());
  };
  EXPECT_EQ(EncryptTo(kBob), "encrypted");
  const std::string zero = Base64UrlEncode(std::vector<std::byte>(32));
  const std::string ones = Base64UrlEncode(std::vector<std::byte>(32, std::byte{0xFF}));
  for (const std::string& coordinate : {zero, ones}) {
    EXPECT_THAT(with("x", coordinate), HasSubstr("not a point of P-256"));
    EXPECT_THAT(with("y", coordinate), HasSubstr("not a point of P-256"));
  }
  EXPECT_THAT(EncryptTo(R"({"kty":"EC","crv":"P-256","x":")" + zero + R"(","y":")" + zero + "\"}"),
              HasSubstr("not a point of P-256"));
  for (const char* curve : {"P-384", "P-521", "secp256k1", "X25519", "p-256", ""}) {
    EXPECT_THAT(with("crv", curve), HasSubstr(std::string("'crv' is '") + curve + "'"));
  }
  EXPECT_THAT(with("crv", nullptr), HasSubstr("'crv' is not text"));
  EXPECT_THAT(with("kty", "oct"), HasSubstr("'kty' is 'oct'"));
  EXPECT_THAT(with("alg", "dir"), HasSubstr("'alg' is"));
  EXPECT_THAT(with("alg", nullptr), HasSubstr("'alg' is null"));
  EXPECT_THAT(with("x", Base64UrlEncode(std::vector<std::byte>(33))), HasSubstr("33 bytes"));
  EXPECT_THAT(with("x", 7), HasSubstr("'x' is not text"));
  EXPECT_THAT(EncryptTo(R"({"kty":"EC","kty":"oct"})"), HasSubstr("'kty' twice"));
}

TEST(HostileJweTest, AnEphemeralKeyOfAnotherCurveIsRefused) {
  const auto key = TeeKey::FromJwk(kBob).value();
  const auto good = nlohmann::json::parse(EncryptJwe(kBob, AsBytes("secret")).value());
  const auto header_bytes = Base64UrlDecode(good["protected"].get<std::string>()).value();
  const auto decrypt = [&](const std::function<void(nlohmann::json&)>& change) {
    auto header = nlohmann::json::parse(AsText(header_bytes));
    change(header);
    auto jwe = good;
    jwe["protected"] = Part(header.dump());
    const auto plain = key.Decrypt(jwe.dump());
    return plain.ok() ? "decrypted" : plain.error().message();
  };
  EXPECT_EQ(decrypt([](auto&) {}), "decrypted");
  EXPECT_THAT(decrypt([](auto& h) { h["epk"]["crv"] = "P-384"; }), HasSubstr("'P-384'"));
  EXPECT_THAT(decrypt([](auto& h) { h["epk"]["x"] = h["epk"]["y"]; }), HasSubstr("not a point"));
  EXPECT_THAT(decrypt([](auto& h) { h["epk"] = "none"; }), HasSubstr("no JSON object"));
  EXPECT_THAT(decrypt([](auto& h) { h["alg"] = "ECDH-ES"; }), HasSubstr("'ECDH-ES'"));
  EXPECT_THAT(decrypt([](auto& h) { h["alg"] = "none"; }), HasSubstr("'none'"));
  EXPECT_THAT(decrypt([](auto& h) { h["crit"] = {"x"}; }), HasSubstr("'crit'"));
  // A header that is well formed and not the one that was encrypted under.
  EXPECT_THAT(decrypt([](auto& h) { h["apu"] = "QQ"; }), HasSubstr("not wrapped for this key"));
  EXPECT_THAT(decrypt([](auto& h) { h["kid"] = "x"; }), HasSubstr("the content was changed"));
}

TEST(HostileJsonTest, IsBoundedInValuesBeforeItIsParsed) {
  const auto refusal = [](const std::string& json, size_t max_bytes) {
    const auto value = ParseJson(json, max_bytes);
    return value.ok() ? std::string("accepted") : value.error().message();
  };
  std::string zeros = "[0";
  for (int i = 0; i < 20000; ++i) zeros += ",0";
  zeros += "]";
  EXPECT_THAT(refusal(zeros, 64U << 10), HasSubstr("values is above the limit of 4097"));
  EXPECT_EQ(refusal(zeros, kMaxJsonBytes), "accepted");
  std::string empty = "[[]";
  for (int i = 0; i < 70000; ++i) empty += ",{}";
  EXPECT_THAT(refusal(empty + "]", kMaxJsonBytes), HasSubstr("values is above the limit of 65537"));
  EXPECT_EQ(refusal("[\"" + std::string(9000, ',') + "\"]", 64U << 10), "accepted")
      << "commas in a text are none";
}

TEST(HostileJsonTest, AMemberNamedTwiceIsRefusedWhereverItIs) {
  const std::pair<const char*, const char*> table[] = {
      {R"({"a":1,"a":1})", "'a' twice"},
      {R"({"x":{"a":1,"b":2,"a":3}})", "'a' twice"},
      {R"([{"x":1},{"a":1,"a":2}])", "'a' twice"},
      {R"({"a":{"b":1},"c":{"b":1},"a":2})", "'a' twice"},
      {R"({"a":1,"\u0061":2})", "'a' twice"},
      {R"({"":1,"":2})", "'' twice"}};
  for (const auto& [json, reason] : table) {
    EXPECT_THAT(ParseJson(json).error().message(), HasSubstr(reason)) << json;
  }
  EXPECT_TRUE(ParseJson(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]})").ok());
}

}  // namespace
}  // namespace locket::attest
