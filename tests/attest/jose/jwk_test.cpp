// P-256 keys between JWK and OpenSSL, and what they agree on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/common/json.h"
#include "attest/jose/jwe.h"
#include "attest/jose/jwk_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

// RFC 7518, appendix C.
nlohmann::json Alice() {
  return ParseJsonObject(
             R"({"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",)"
             R"("y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",)"
             R"("d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"})")
      .value();
}
nlohmann::json Bob() {
  return ParseJsonObject(
             R"({"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",)"
             R"("y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",)"
             R"("d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"})")
      .value();
}

std::string SharedBy(const nlohmann::json& own, const nlohmann::json& peer) {
  const auto own_key = PrivateP256FromJwk(own);
  const auto peer_key = PublicP256FromJwk(peer);
  EXPECT_TRUE(own_key.ok() && peer_key.ok());
  return HexEncode(Ecdh(own_key->get(), peer_key->get())->Reveal());
}

TEST(JwkTest, BothSidesAgreeOnTheSecretOfRfc7518AppendixC) {
  const std::vector<int> z{158, 86,  217, 29,  129, 113, 53,  211, 114, 131, 66,
                           131, 191, 132, 38,  156, 251, 49,  110, 163, 218, 128,
                           106, 72,  246, 218, 167, 121, 140, 254, 144, 196};
  std::vector<std::byte> expected;
  for (const int byte : z) expected.push_back(static_cast<std::byte>(byte));
  EXPECT_EQ(SharedBy(Alice(), Bob()), HexEncode(expected));
  EXPECT_EQ(SharedBy(Bob(), Alice()), HexEncode(expected));
}

TEST(JwkTest, PublicKeysComeBackAndThePrivatePartStays) {
  for (const auto& jwk : {Alice(), Bob()}) {
    const auto key = PrivateP256FromJwk(jwk).value();
    auto expected = jwk;
    expected.erase("d");
    EXPECT_EQ(PublicP256ToJwk(key.get()), expected);
  }
  const auto made = GenerateP256().value();
  const auto jwk = PublicP256ToJwk(made.get());
  EXPECT_EQ(jwk.size(), 4U);
  EXPECT_EQ(EVP_PKEY_eq(PublicP256FromJwk(jwk)->get(), made.get()), 1);
}

// A coordinate keeps its leading zeros (RFC 7518, 6.2.1.2); about one key in 128 has one.
TEST(JwkTest, CoordinatesAlwaysHave32Bytes) {
  bool seen_zero = false;
  for (int i = 0; i < 2000 && !seen_zero; ++i) {
    const auto key = GenerateP256().value();
    const auto jwk = PublicP256ToJwk(key.get());
    for (const char* name : {"x", "y"}) {
      const auto bytes = Base64UrlDecode(jwk[name].get<std::string>()).value();
      ASSERT_EQ(bytes.size(), 32U);
      seen_zero = seen_zero || bytes.front() == std::byte{0};
    }
    if (seen_zero) {
      EXPECT_TRUE(PublicP256FromJwk(jwk).ok());
    }
  }
  EXPECT_TRUE(seen_zero);
}

TEST(JwkTest, EachMemberIsNeededAndTyped) {
  for (const char* name : {"kty", "crv", "x", "y"}) {
    auto jwk = Alice();
    jwk.erase(name);
    EXPECT_EQ(PublicP256FromJwk(jwk).error().message(),
              std::string("JWK: '") + name + "' is missing");
    for (const auto& value : {nlohmann::json(), nlohmann::json(7), nlohmann::json::array()}) {
      jwk[name] = value;
      EXPECT_EQ(PublicP256FromJwk(jwk).error().message(),
                std::string("JWK: '") + name + "' is not text");
    }
  }
  auto without_d = Alice();
  without_d.erase("d");
  EXPECT_TRUE(PublicP256FromJwk(without_d).ok());
  EXPECT_EQ(PrivateP256FromJwk(without_d).error().message(), "private JWK: 'd' is missing");
  EXPECT_EQ(PublicP256FromJwk(nlohmann::json::array()).error().message(), "JWK: no JSON object");
}

TEST(JwkTest, CoordinatesAreBase64UrlWithoutPadding) {
  for (const char* name : {"x", "y"}) {
    const std::string good = Alice()[name];
    for (const std::string& bad : {good + "=", good + "A", good.substr(1), " " + good, good + "\n",
                                   std::string(), "+" + good.substr(1), "/" + good.substr(1)}) {
      auto jwk = Alice();
      jwk[name] = bad;
      const auto refused = PublicP256FromJwk(jwk);
      ASSERT_FALSE(refused.ok()) << bad;
      EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(refused.error().message(), HasSubstr(std::string("'") + name + "'")) << bad;
    }
  }
}

// Off the curve, small subgroups of the twist would give the private key away bit by bit.
TEST(JwkTest, EveryFlippedBitOfACoordinateIsAPointOffTheCurve) {
  for (const char* name : {"x", "y"}) {
    const auto bytes = Base64UrlDecode(Bob()[name].get<std::string>()).value();
    for (size_t bit = 0; bit < 256; bit += 5) {
      auto changed = bytes;
      changed[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      auto jwk = Bob();
      jwk[name] = Base64UrlEncode(changed);
      EXPECT_THAT(PublicP256FromJwk(jwk).error().message(), HasSubstr("not a point of P-256"))
          << name << " " << bit;
    }
  }
}

TEST(ConcatKdfTest, DependsOnEveryInput) {
  const std::vector<std::byte> secret(32, std::byte{1});
  const auto derive = [](std::span<const std::byte> shared, std::string_view algorithm,
                         std::string_view u, std::string_view v, unsigned bits) {
    return HexEncode(ConcatKdf(shared, algorithm, u, v, bits).Reveal());
  };
  const std::string base = derive(secret, "A256KW", "u", "v", 256);
  EXPECT_EQ(base.size(), 64U);
  EXPECT_EQ(derive(secret, "A256KW", "u", "v", 256), base);
  const std::vector<std::byte> other(32, std::byte{2});
  const std::string others[] = {
      derive(other, "A256KW", "u", "v", 256), derive(secret, "A256GCM", "u", "v", 256),
      derive(secret, "A256KW", "w", "v", 256), derive(secret, "A256KW", "u", "w", 256),
      // Each text is written with its length, so that none runs into the next.
      derive(secret, "A256KW", "uv", "", 256), derive(secret, "A256KW", "", "uv", 256),
      derive(secret, "A256KWu", "", "v", 256)};
  for (const auto& derived : others) EXPECT_NE(derived, base);
  EXPECT_EQ(derive(secret, "A256KW", "u", "v", 128).size(), 32U);
  EXPECT_NE(derive(secret, "A256KW", "u", "v", 128), base.substr(0, 32))
      << "the number of bits is an input, too";
}

}  // namespace
}  // namespace locket::attest
