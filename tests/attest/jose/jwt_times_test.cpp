// Tokens at the edges of their times, and keys in each form that a PEM file can have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/common/json.h"
#include "attest/jose/jwt.h"
#include "base/encoding.h"
#include "base/subprocess.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

class TokenTimesTest : public ::testing::Test {
 protected:
  std::string At(int64_t now, const nlohmann::json& claims) const {
    const auto verified = verification_.Verify(key_.Sign(DumpJson(claims)).value(),
                                               std::chrono::system_clock::from_time_t(now));
    if (verified.ok()) return "accepted";
    return verified.error().message();
  }
  SigningKey key_ = SigningKey::Generate().value();
  VerificationKey verification_ = VerificationKey::FromPem(key_.PublicPem()).value();
};

TEST_F(TokenTimesTest, ATokenEndsInTheSecondItNames) {
  EXPECT_EQ(At(999, {{"exp", 1000}}), "accepted");
  EXPECT_EQ(At(1000, {{"exp", 1000}}), "the token has expired");
  EXPECT_EQ(At(1001, {{"exp", 1000}}), "the token has expired");
  EXPECT_EQ(At(0, {{"exp", 0}}), "the token has expired");
}

// Two machines' clocks differ; a minute is what may be between them.
TEST_F(TokenTimesTest, ATokenMayStartAMinuteAheadOfThisClock) {
  for (const char* name : {"iat", "nbf"}) {
    EXPECT_EQ(At(1000, {{"exp", 5000}, {name, 1000}}), "accepted");
    EXPECT_EQ(At(1000, {{"exp", 5000}, {name, 1060}}), "accepted");
    EXPECT_THAT(At(1000, {{"exp", 5000}, {name, 1061}}), HasSubstr("compare the two clocks"));
    EXPECT_EQ(At(1000, {{"exp", 5000}, {name, -5}}), "accepted");
  }
  EXPECT_EQ(At(1000, {{"exp", 5000}, {"iat", 900}, {"nbf", 900}}), "accepted");
  EXPECT_THAT(At(1000, {{"exp", 5000}, {"iat", 900}, {"nbf", 2000}}), HasSubstr("future"));
}

TEST_F(TokenTimesTest, ATokenWithoutAnEndIsRefused) {
  EXPECT_EQ(At(1000, {{"iat", 900}}), "the token has no whole number 'exp'");
  EXPECT_EQ(At(1000, nlohmann::json::object()), "the token has no whole number 'exp'");
}

TEST_F(TokenTimesTest, ErrorsSayWhatTheCallerCanDo) {
  const auto now = std::chrono::system_clock::from_time_t(1000);
  const auto code = [&](const std::string& token) {
    return verification_.Verify(token, now).error().code();
  };
  EXPECT_EQ(code(key_.Sign(R"({"exp":1})").value()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code(key_.Sign(R"({"exp":5000,"nbf":4000})").value()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code(SigningKey::Generate()->Sign(R"({"exp":5000})").value()),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(code("a.b"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(key_.Sign("[]").value()), ErrorCode::kInvalidArgument);
}

TEST_F(TokenTimesTest, TheSignatureIsCheckedBeforeTheClaimsAreRead) {
  const std::string expired = key_.Sign(R"({"exp":1})").value();
  const std::string claims = Base64UrlEncode(AsBytes(R"({"exp":5000})"));
  const std::string forged =
      expired.substr(0, expired.find('.') + 1) + claims + expired.substr(expired.rfind('.'));
  EXPECT_THAT(
      verification_.Verify(forged, std::chrono::system_clock::from_time_t(1000)).error().message(),
      HasSubstr("not signed by the expected key"));
}

// Changing any one character of a token, wherever, ends it.
TEST_F(TokenTimesTest, NoCharacterCanBeChanged) {
  const std::string token = key_.Sign(R"({"exp":5000,"role":"x"})").value();
  const auto now = std::chrono::system_clock::from_time_t(1000);
  for (size_t at = 0; at < token.size(); ++at) {
    for (const char replacement : {'A', 'z', '.', '=', '\n', '-'}) {
      std::string changed = token;
      changed[at] = replacement;
      if (changed == token) continue;
      EXPECT_FALSE(verification_.Verify(changed, now).ok()) << at << " " << replacement;
    }
    EXPECT_FALSE(verification_.Verify(token.substr(0, at), now).ok()) << at;
  }
}

std::string PemOf(const std::string& command) {
  const auto made = RunCommand({"sh", "-c", "openssl " + command});
  EXPECT_EQ(made->exit_status, 0) << made->standard_error;
  return made->standard_output;
}

TEST(KeyPemTest, OfAKindThatSignsTokensIsRead) {
  const std::pair<const char*, bool> table[] = {
      {"genpkey -algorithm ed25519", true},
      {"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", false},
      {"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", false},
      {"ecparam -name prime256v1 -genkey -noout", false}};  // SEC 1, "EC PRIVATE KEY"
  for (const auto& [command, is_ed25519] : table) {
    const auto key = SigningKey::FromPem(PemOf(command));
    ASSERT_TRUE(key.ok()) << command << key.error().message();
    EXPECT_EQ(key->is_ed25519(), is_ed25519) << command;
    const auto verification = VerificationKey::FromPem(key->PublicPem());
    ASSERT_TRUE(verification.ok()) << command;
    EXPECT_EQ(verification->is_ed25519(), is_ed25519) << command;
  }
}

TEST(KeyPemTest, OfAnotherKindIsRefusedWithTheKindsThatAreTaken) {
  for (const char* command : {"genpkey -algorithm x25519", "genpkey -algorithm ed448",
                              "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
                              "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"}) {
    EXPECT_THAT(SigningKey::FromPem(PemOf(command)).error().message(),
                HasSubstr("no private key in PEM form of kind Ed25519, P-256 or P-384"))
        << command;
  }
}

// A passphrase would be asked for at a terminal that nobody sits at.
TEST(KeyPemTest, EncryptedOnesAndHalvesAreRefused) {
  const std::string ed25519 = PemOf("genpkey -algorithm ed25519");
  const std::string encrypted = PemOf("genpkey -algorithm ed25519 -aes256 -pass pass:x");
  EXPECT_EQ(SigningKey::FromPem(encrypted).error().code(), ErrorCode::kInvalidArgument);
  const std::string public_pem = SigningKey::FromPem(ed25519)->PublicPem();
  EXPECT_THAT(SigningKey::FromPem(public_pem).error().message(), HasSubstr("no private key"));
  EXPECT_THAT(VerificationKey::FromPem(ed25519).error().message(), HasSubstr("no public key"));
  for (size_t size = 0; size + 2 < public_pem.size(); size += 9) {
    EXPECT_FALSE(VerificationKey::FromPem(public_pem.substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace locket::attest
