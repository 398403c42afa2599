// A JWE with one thing changed: every bit that is authenticated, and every member's form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/common/json.h"
#include "attest/jose/jwe.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

class JweDamageTest : public ::testing::Test {
 protected:
  Result<Secret> Decrypt(const nlohmann::json& jwe) const { return key_.Decrypt(jwe.dump()); }

  // The error code and text of decrypting with `member` replaced.
  Error With(const char* member, const nlohmann::json& value) const {
    auto changed = good_;
    changed[member] = value;
    auto plain = Decrypt(changed);
    EXPECT_FALSE(plain.ok()) << member << " " << value.dump();
    return plain.ok() ? Error(ErrorCode::kInternal, "decrypted") : plain.error();
  }

  std::vector<std::byte> BytesOf(const char* member) const {
    return Base64UrlDecode(good_[member].get<std::string>()).value();
  }

  TeeKey key_ = TeeKey::Generate().value();
  nlohmann::json good_ =
      ParseJsonObject(
          EncryptJwe(key_.PublicJwk(), AsBytes("thirty-two bytes of a secret key")).value())
          .value();
};

TEST_F(JweDamageTest, UndamagedItDecrypts) {
  EXPECT_EQ(AsText(Decrypt(good_)->Reveal()), "thirty-two bytes of a secret key");
  EXPECT_EQ(good_.size(), 5U);
}

TEST_F(JweDamageTest, EveryBitOfEveryAuthenticatedPartCounts) {
  for (const char* member : {"encrypted_key", "iv", "ciphertext", "tag"}) {
    const auto bytes = BytesOf(member);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      auto changed = bytes;
      changed[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      EXPECT_EQ(With(member, Base64UrlEncode(changed)).code(), ErrorCode::kDataLoss)
          << member << " bit " << bit;
    }
  }
}

TEST_F(JweDamageTest, PartsOfAnotherLengthAreRefusedBeforeAnythingIsDecrypted) {
  const std::pair<const char*, size_t> sizes[] = {{"encrypted_key", 40}, {"iv", 12}, {"tag", 16}};
  for (const auto& [member, size] : sizes) {
    for (const size_t wrong : {size_t{0}, size - 1, size + 1, 2 * size}) {
      const Error error = With(member, Base64UrlEncode(std::vector<std::byte>(wrong)));
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.message(), std::string("JWE: '") + member + "' has " + std::to_string(wrong) +
                                     " bytes, not " + std::to_string(size));
    }
  }
  auto ciphertext = BytesOf("ciphertext");
  ciphertext.pop_back();
  EXPECT_EQ(With("ciphertext", Base64UrlEncode(ciphertext)).code(), ErrorCode::kDataLoss);
  ciphertext.resize(ciphertext.size() + 2);
  EXPECT_EQ(With("ciphertext", Base64UrlEncode(ciphertext)).code(), ErrorCode::kDataLoss);
  EXPECT_EQ(With("ciphertext", "").code(), ErrorCode::kDataLoss);
}

TEST_F(JweDamageTest, EveryMemberIsBase64UrlText) {
  for (const char* member : {"protected", "encrypted_key", "iv", "ciphertext", "tag"}) {
    const std::string good = good_[member];
    for (const nlohmann::json& bad :
         {nlohmann::json(), nlohmann::json(7), nlohmann::json::object(), nlohmann::json(good + "="),
          nlohmann::json(" " + good), nlohmann::json("+" + good.substr(1)),
          nlohmann::json(good + "\n")}) {
      const Error error = With(member, bad);
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << bad.dump();
      EXPECT_THAT(error.message(), HasSubstr(std::string("'") + member + "'"));
    }
  }
}

// The header is authenticated as it was written, so even an equal one in another spelling fails.
TEST_F(JweDamageTest, TheHeaderIsBoundInTheSpellingThatTravelled) {
  const std::string header(AsText(BytesOf("protected")));
  const Error spaced = With("protected", Base64UrlEncode(AsBytes(header + " ")));
  EXPECT_EQ(spaced.code(), ErrorCode::kDataLoss);
  EXPECT_EQ(spaced.message(), "JWE: the content was changed");
}

TEST_F(JweDamageTest, TheHeaderIsAnObjectWithOneAlgorithm) {
  const std::pair<const char*, const char*> table[] = {
      {"", "'protected': not JSON"},
      {"[]", "'protected': not a JSON object"},
      {"{}", "'alg' is missing"},
      {R"({"alg":"ECDH-ES+A256KW"})", "'enc' is missing"},
      {R"({"alg":7,"enc":"A256GCM"})", "'alg' is not text"},
      {R"({"alg":"ECDH-ES","enc":"A256GCM"})", "'ECDH-ES' with 'A256GCM'"},
      {R"({"alg":"ECDH-ES+A128KW","enc":"A256GCM"})", "'ECDH-ES+A128KW'"},
      {R"({"alg":"RSA-OAEP","enc":"A256GCM"})", "'RSA-OAEP'"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"A256CBC-HS512"})", "'A256CBC-HS512'"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"a256gcm"})", "'a256gcm'"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM","crit":[]})", "'crit' is not understood"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM","enc":"A256GCM"})", "'enc' twice"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM"})", "'epk' is missing"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":[]})", "'epk': JWK: no JSON object"},
      {R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"kty":"RSA"}})", "'kty' is 'RSA'"}};
  for (const auto& [header, reason] : table) {
    const Error error = With("protected", Base64UrlEncode(AsBytes(header)));
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << header;
    EXPECT_THAT(error.message(), HasSubstr("JWE: ")) << header;
    EXPECT_THAT(error.message(), HasSubstr(reason)) << header;
  }
}

// `apu` and `apv` go into the key derivation; `aad` into the authentication.
TEST_F(JweDamageTest, WhatTheSenderDidNotSayIsNotIgnored) {
  EXPECT_EQ(With("aad", "QQ").message(), "JWE: the content was changed");
  EXPECT_EQ(With("aad", "").message(), "JWE: the content was changed");
  EXPECT_EQ(With("aad", 7).code(), ErrorCode::kInvalidArgument);
  for (const char* name : {"apu", "apv"}) {
    auto header = ParseJsonObject(AsText(BytesOf("protected"))).value();
    header[name] = "QQ";
    EXPECT_EQ(With("protected", Base64UrlEncode(AsBytes(DumpJson(header)))).message(),
              "JWE: the content key was not wrapped for this key");
    header[name] = "Q=";
    EXPECT_EQ(With("protected", Base64UrlEncode(AsBytes(DumpJson(header)))).code(),
              ErrorCode::kInvalidArgument);
  }
}

TEST_F(JweDamageTest, IsMadeFreshEachTime) {
  const auto again =
      ParseJsonObject(
          EncryptJwe(key_.PublicJwk(), AsBytes("thirty-two bytes of a secret key")).value())
          .value();
  for (const char* member : {"protected", "encrypted_key", "iv", "ciphertext", "tag"}) {
    EXPECT_NE(again[member], good_[member]) << member << ": a nonce or key was used twice";
  }
}

}  // namespace
}  // namespace locket::attest
