// JSON, keys and tokens against the RFCs' own examples and another implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "attest/common/json.h"
#include "attest/jose/canonical_json.h"
#include "attest/jose/jwe.h"
#include "attest/jose/jwk_internal.h"
#include "attest/jose/jwt.h"
#include "attest/kbs/admin_token.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// RFC 7518, appendix C.
constexpr auto kAlice =
    R"({"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",)"
    R"("y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",)"
    R"("d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"})";
constexpr auto kBob =
    R"({"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",)"
    R"("y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",)"
    R"("d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"})";

TEST(CanonicalJsonTest, FollowsRfc8785) {
  const std::pair<const char*, const char*> table[] = {
      {R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],)"
       R"("string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]})",
       "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
       "\"string\":\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
      {R"({"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7})",
       "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"\u00f6\":7,\"\u20ac\":1,\"\U0001F600\":5,\"\uFB33\":3}"},
      {"[-0.0, 0, 1e21, 999999999999999900000, 1e-6, 1e-7, -1.5e300, 9007199254740993, 123e2]",
       "[0,0,1e+21,999999999999999900000,0.000001,1e-7,-1.5e+300,9007199254740992,12300]"},
      {R"(["\u0000\u001f\u007f\b\f\t"])", "[\"\\u0000\\u001f\x7f\\b\\f\\t\"]"},
      {" { } ", "{}"}};
  for (const auto& [in, out] : table) {
    const auto canonical = CanonicalJson(in);
    ASSERT_TRUE(canonical.ok()) << in;
    EXPECT_EQ(*canonical, out);
    EXPECT_EQ(CanonicalJson(*canonical).value(), *canonical);
  }
}

TEST(CanonicalJsonTest, RefusesWhatIsNoJson) {
  for (const char* in : {"", "{", "[1,]", "nul", "\"\xff\"", "1e999"}) {
    EXPECT_FALSE(CanonicalJson(in).ok()) << in;
  }
}

TEST(JsonTest, IsBoundedInDepthAndSize) {
  EXPECT_TRUE(ParseJson(std::string(32, '[') + std::string(32, ']')).ok());
  EXPECT_THAT(ParseJson(std::string(33, '[')).error().message(), HasSubstr("deeper than 32"));
  EXPECT_TRUE(ParseJson("\"" + std::string(40, '[') + "\"").ok()) << "brackets in text";
  EXPECT_THAT(ParseJson("12345", 4).error().message(), HasSubstr("above the limit of 4"));
}

TEST(JweTest, AgreesAsRfc7518AppendixCDoes) {
  const auto alice = PrivateP256FromJwk(ParseJsonObject(kAlice).value());
  const auto bob = PublicP256FromJwk(ParseJsonObject(kBob).value());
  const auto shared = Ecdh(alice->get(), bob->get());
  ASSERT_TRUE(shared.ok()) << shared.error().message();
  const Secret derived = ConcatKdf(shared->Reveal(), "A128GCM", "Alice", "Bob", 128);
  EXPECT_EQ(Base64UrlEncode(derived.Reveal()), "VqqN6vgjbSBcIijNcacQGg");
}

TEST(JweTest, DecryptsWhatItEncrypted) {
  const auto key = TeeKey::Generate();
  for (const size_t size : {0U, 1U, 32U, 100000U}) {
    const std::string plain(size, 'p');
    const auto jwe = EncryptJwe(key->PublicJwk(), AsBytes(plain));
    ASSERT_TRUE(jwe.ok()) << jwe.error().message();
    const auto back = key->Decrypt(*jwe);
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(AsText(back->Reveal()), plain);
  }
}

TEST(JweTest, IsReadByJose) {
  const auto directory = TempDir::Create("/tmp", "jose");
  const auto jwe = EncryptJwe(kBob, AsBytes("read by others"));
  std::ofstream(directory->path() / "bob.jwk") << kBob;
  std::ofstream(directory->path() / "jwe") << *jwe;
  const auto read = RunCommand(
      {"jose", "jwe", "dec", "-i", directory->path() / "jwe", "-k", directory->path() / "bob.jwk"});
  if (!read.ok()) GTEST_SKIP() << "lacks Debian's package jose: " << read.error().message();
  EXPECT_EQ(read->standard_output, "read by others") << read->standard_error;
}

// Changes one member of a JSON object.
std::string With(const std::string& json, const std::string& name, const nlohmann::json& value) {
  auto object = nlohmann::json::parse(json);
  if (value.is_discarded()) {
    object.erase(name);
  } else {
    object[name] = value;
  }
  return object.dump();
}

std::string FlippedFirst(const std::string& text) {
  return (text[0] == 'A' ? "B" : "A") + text.substr(1);
}

TEST(JweTest, ChangedAnywhereIsRefused) {
  const auto key = TeeKey::FromJwk(kBob);
  const std::string good = EncryptJwe(kBob, AsBytes("secret")).value();
  const auto object = nlohmann::json::parse(good);
  for (const char* name : {"protected", "encrypted_key", "iv", "ciphertext", "tag"}) {
    const std::string value = object[name];
    EXPECT_FALSE(key->Decrypt(With(good, name, FlippedFirst(value))).ok()) << name;
    const auto missing =
        key->Decrypt(With(good, name, nlohmann::json(nlohmann::json::value_t::discarded)));
    EXPECT_THAT(missing.error().message(), HasSubstr(std::string("'") + name + "' is missing"));
    EXPECT_FALSE(key->Decrypt(With(good, name, 7)).ok()) << name;
    EXPECT_FALSE(key->Decrypt(With(good, name, "")).ok()) << name;
  }
  EXPECT_FALSE(key->Decrypt(With(good, "aad", "QQ")).ok());
  EXPECT_THAT(TeeKey::Generate()->Decrypt(good).error().message(),
              HasSubstr("not wrapped for this key"));
}

TEST(JweTest, OfAnotherKindIsRefusedByName) {
  const auto key = TeeKey::FromJwk(kBob);
  const std::string good = EncryptJwe(kBob, AsBytes("secret")).value();
  const auto with_header = [&](const std::string& header) {
    return key->Decrypt(With(good, "protected", Base64UrlEncode(AsBytes(header))))
        .error()
        .message();
  };
  EXPECT_THAT(with_header(R"({"alg":"dir","enc":"A256GCM"})"), HasSubstr("'dir'"));
  EXPECT_THAT(with_header(R"({"alg":"ECDH-ES+A256KW","enc":"A128GCM"})"), HasSubstr("'A128GCM'"));
  EXPECT_THAT(with_header(R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM"})"), HasSubstr("'epk'"));
  EXPECT_THAT(with_header(R"({"alg":"ECDH-ES+A256KW","enc":"A256GCM","zip":"DEF"})"),
              HasSubstr("'zip'"));
}

TEST(JwkTest, ThatIsNoPointOfP256IsRefused) {
  const auto refusal = [](const std::string& jwk) {
    return EncryptJwe(jwk, AsBytes("x")).error().message();
  };
  EXPECT_THAT(refusal(With(kAlice, "y", "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFppo")),
              HasSubstr("not a point of P-256"));
  EXPECT_THAT(refusal(With(kAlice, "crv", "P-521")), HasSubstr("'crv' is 'P-521'"));
  EXPECT_THAT(refusal(With(kAlice, "kty", "RSA")), HasSubstr("'kty' is 'RSA'"));
  EXPECT_THAT(refusal(With(kAlice, "x", "AAAA")), HasSubstr("3 bytes, not 32"));
  EXPECT_THAT(refusal(With(kAlice, "alg", "RSA-OAEP-256")), HasSubstr("RSA-OAEP-256"));
  EXPECT_THAT(refusal("[]"), HasSubstr("not a JSON object"));
}

TEST(JwtTest, OfRfc7515AppendixA3IsAccepted) {
  const auto key = VerificationKey::FromPem(
      "-----BEGIN PUBLIC KEY-----\n"
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
      "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
      "-----END PUBLIC KEY-----\n");
  const std::string token =
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
      "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djx"
      "La8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  const auto claims = key->Verify(token, std::chrono::system_clock::from_time_t(1300819379));
  ASSERT_TRUE(claims.ok()) << claims.error().message();
  EXPECT_THAT(*claims, HasSubstr(R"("iss":"joe")"));
  EXPECT_THAT(
      key->Verify(token, std::chrono::system_clock::from_time_t(1300819380)).error().message(),
      HasSubstr("expired"));
}

class KeyKindTest : public ::testing::TestWithParam<std::string> {
 protected:
  static SigningKey Make() {
    const auto made = RunCommand({"sh", "-c", "openssl genpkey " + GetParam()});
    return SigningKey::FromPem(made->standard_output).value();
  }
};

TEST_P(KeyKindTest, SignsAndVerifies) {
  const SigningKey key = Make();
  const auto verification = VerificationKey::FromPem(key.PublicPem());
  const auto now = std::chrono::system_clock::from_time_t(1000);
  const auto token = key.Sign(R"({"exp":1001,"iat":1000})");
  ASSERT_TRUE(token.ok()) << token.error().message();
  EXPECT_EQ(verification->Verify(*token, now).value(), R"({"exp":1001,"iat":1000})");
  EXPECT_THAT(verification->Verify(*token, now - 100s).error().message(), HasSubstr("future"));
  for (size_t at = 0; at < token->size(); at += 7) {
    std::string changed = *token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verification->Verify(changed, now).ok()) << at;
  }
  EXPECT_THAT(verification->Verify(Make().Sign(R"({"exp":1001})").value(), now).error().message(),
              HasSubstr("not signed by the expected key"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, KeyKindTest,
                         ::testing::Values("-algorithm ed25519",
                                           "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
                                           "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"));

TEST(JwtTest, RefusesOtherAlgorithmsAndShapes) {
  const auto key = SigningKey::Generate();
  const auto verification = VerificationKey::FromPem(key->PublicPem());
  const auto now = std::chrono::system_clock::from_time_t(1000);
  const auto refusal = [&](const std::string& token) {
    return verification->Verify(token, now).error().message();
  };
  const std::string claims = Base64UrlEncode(AsBytes(R"({"exp":2000})"));
  for (const char* algorithm : {"none", "HS256", "EdDSA"}) {
    const std::string header =
        Base64UrlEncode(AsBytes(std::string(R"({"alg":")") + algorithm + "\"}"));
    EXPECT_THAT(refusal(header + "." + claims + "."), HasSubstr(algorithm));
  }
  EXPECT_THAT(refusal("a.b"), HasSubstr("three parts"));
  EXPECT_THAT(refusal("a.b.c.d"), HasSubstr("three parts"));
  EXPECT_THAT(refusal(std::string(70000, 'a')), HasSubstr("three parts"));
  EXPECT_THAT(refusal("!.!.!"), HasSubstr("token header"));
  EXPECT_THAT(refusal(key->Sign("{}").value()), HasSubstr("'exp'"));
  EXPECT_THAT(refusal(key->Sign(R"({"exp":"soon"})").value()), HasSubstr("'exp'"));
}

TEST(JwtTest, KeysOfOtherKindsAreRefused) {
  const auto rsa = RunCommand({"openssl", "genrsa", "2048"});
  EXPECT_THAT(SigningKey::FromPem(rsa->standard_output).error().message(),
              HasSubstr("Ed25519, P-256 or P-384"));
  EXPECT_THAT(VerificationKey::FromPem("no key").error().message(), HasSubstr("no public key"));
}

TEST(AdminTokenFileTest, IsGoodForItsKeyItsTimeAndItsRole) {
  const auto& tls = TestTlsDirectory();
  const std::string public_pem = ReadText(tls / "admin.pub");
  const auto now = std::chrono::system_clock::now();
  const auto token = MakeAdminToken(ReadText(tls / "admin.key"), now);
  ASSERT_TRUE(token.ok()) << token.error().message();
  EXPECT_TRUE(CheckAdminToken(*token, public_pem, now).ok());
  const auto refusal = [&](const std::string& text, std::chrono::system_clock::time_point at) {
    const auto checked = CheckAdminToken(text, public_pem, at);
    return checked.ok() ? "accepted" : checked.error().message();
  };
  EXPECT_THAT(refusal(*token, now + kAdminTokenLifetime), HasSubstr("expired"));
  EXPECT_THAT(refusal(*token, now - 2min), HasSubstr("future"));
  EXPECT_THAT(refusal(MakeAdminToken(ReadText(tls / "other-admin.key"), now).value(), now),
              HasSubstr("not signed by the expected key"));
  const auto key = SigningKey::FromPem(ReadText(tls / "admin.key"));
  const auto exp = std::chrono::system_clock::to_time_t(now + 1min);
  EXPECT_THAT(refusal(key->Sign(DumpJson({{"exp", exp}, {"role", "guest"}})).value(), now),
              HasSubstr("role"));
  EXPECT_THAT(MakeAdminToken("no key", now).error().message(), HasSubstr("admin key"));
}

}  // namespace
}  // namespace locket::attest
