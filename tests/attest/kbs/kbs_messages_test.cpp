// KBS messages as values.
#include "attest/kbs/kbs_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

constexpr auto kJwk = R"({"kty":"EC","crv":"P-256","alg":"ECDH-ES+A256KW",)"
                      R"("x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",)"
                      R"("y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"})";

TEST(KbsMessagesTest, ReportDataIsTheHashOfTheCanonicalRuntimeData) {
  // By Python: sha384(json.dumps(..., sort_keys=True, separators=(',', ':'))).
  const auto report_data = ReportDataFor(HashAlgorithm::kSha384, "bm9uY2U=", kJwk, "");
  EXPECT_EQ(HexEncode(report_data.value()),
            "0882e3221a9160e9e078ef6c824f77dfcb43af45cc37dd4ef3b52a0fb3e6ad72b9e1925f2d81cc2a9ff6"
            "6c0fa40962cb" +
                std::string(32, '0'));
}

TEST(KbsMessagesTest, SpeakVersion040Only) {
  const auto good = DecodeAuthRequest(EncodeAuthRequest(
      {.tee = "snp", .hashes = {HashAlgorithm::kSha512, HashAlgorithm::kSha256}}));
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->tee, "snp");
  EXPECT_THAT(good->hashes, ::testing::ElementsAre(HashAlgorithm::kSha512, HashAlgorithm::kSha256));
  const auto unsaid = DecodeAuthRequest(EncodeAuthRequest({.tee = "snp"}));
  ASSERT_TRUE(unsaid.ok()) << unsaid.error().message();
  EXPECT_THAT(unsaid->hashes, ::testing::IsEmpty()) << "the broker chooses";
  const std::pair<const char*, const char*> table[] = {
      {R"({"version":"0.1.1","tee":"snp"})", "'0.1.1' is not 0.4.0"},
      {R"({"tee":"snp"})", "'version' is missing"},
      {R"({"version":"0.4.0"})", "'tee' is missing"},
      {R"({"version":"0.4.0","tee":"snp","extra-params":{"supported-hash-algorithms":["md5"]}})",
       "none of the supported"},
      {R"({"version":"0.4.0","tee":"snp","extra-params":{"supported-hash-algorithms":7}})",
       "no short list"},
      {"[]", "not a JSON object"}};
  for (const auto& [json, reason] : table) {
    EXPECT_THAT(DecodeAuthRequest(json).error().message(), HasSubstr(reason));
  }
}

TEST(KbsMessagesTest, ChallengeWithoutSelectionMeansSha384) {
  EXPECT_EQ(DecodeChallenge(R"({"nonce":"n","extra-params":""})")->hash, HashAlgorithm::kSha384);
  EXPECT_EQ(DecodeChallenge(EncodeChallenge({.nonce = "n", .hash = HashAlgorithm::kSha256}))->hash,
            HashAlgorithm::kSha256);
  EXPECT_THAT(DecodeChallenge(R"({"nonce":"n","extra-params":{"selected-hash-algorithm":"md5"}})")
                  .error()
                  .message(),
              HasSubstr("'md5'"));
}

TEST(KbsMessagesTest, AttestRequestComesBackWhole) {
  const AttestRequest request{
      .nonce = "n",
      .tee_pubkey = kJwk,
      .additional_evidence = "{}",
      .evidence = {.primary = R"({"attestation_report":"AAAA","cert_chain":"PEM"})"},
      .initdata = "algorithm = \"sha256\"\n"};
  const auto back = DecodeAttestRequest(EncodeAttestRequest(request));
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->nonce, "n");
  EXPECT_EQ(back->additional_evidence, "{}");
  EXPECT_EQ(back->evidence.primary, request.evidence.primary);
  EXPECT_EQ(back->initdata, request.initdata);
  const auto key = [](const std::string& jwk) {
    return ReportDataFor(HashAlgorithm::kSha256, "", jwk, "").value();
  };
  EXPECT_EQ(key(back->tee_pubkey), key(kJwk));
}

TEST(KbsMessagesTest, MalformedAttestRequestsAreNamed) {
  const std::pair<const char*, const char*> table[] = {
      {"{}", "'runtime-data' is no JSON object"},
      {R"({"runtime-data":{"nonce":"n"}})", "'tee-pubkey'"},
      {R"({"runtime-data":{"nonce":"n","tee-pubkey":{}}})", "'tee-evidence'"},
      {R"({"runtime-data":{"nonce":"n","tee-pubkey":{}},"tee-evidence":{}})", "'primary_evidence'"},
      {R"({"runtime-data":{"nonce":"n","tee-pubkey":{}},"tee-evidence":{"primary_evidence":[]}})",
       "'primary_evidence' is no JSON object"},
      {R"({"runtime-data":{"nonce":7,"tee-pubkey":{}},"tee-evidence":{"primary_evidence":{}}})",
       "'nonce' is not text"}};
  for (const auto& [json, reason] : table) {
    EXPECT_THAT(DecodeAttestRequest(json).error().message(), HasSubstr(reason));
  }
}

TEST(KbsMessagesTest, TokenMayNotSmuggleAHeaderIn) {
  EXPECT_EQ(DecodeAttestAnswer(EncodeAttestAnswer("a.b.c")).value(), "a.b.c");
  EXPECT_FALSE(DecodeAttestAnswer(EncodeAttestAnswer("a\r\nX: y")).ok());
  EXPECT_FALSE(DecodeAttestAnswer(EncodeAttestAnswer("")).ok());
  EXPECT_FALSE(DecodeAttestAnswer(EncodeAttestAnswer(std::string(70000, 'a'))).ok());
}

TEST(KbsMessagesTest, AKeyThatTheBrokerWouldKeepForEachSessionIsShort) {
  AttestRequest request{.nonce = "n",
                        .tee_pubkey = R"({"x":")" + std::string(3000, 'x') + "\"}",
                        .additional_evidence = {},
                        .evidence = {.primary = "{}"}};
  EXPECT_THAT(DecodeAttestRequest(EncodeAttestRequest(request)).error().message(),
              HasSubstr("'tee-pubkey' is too long"));
  request.tee_pubkey = kJwk;
  request.nonce = std::string(513, 'n');
  EXPECT_THAT(DecodeAttestRequest(EncodeAttestRequest(request)).error().message(),
              HasSubstr("'nonce' is too long"));
}

TEST(KbsMessagesTest, AMemberThatIsNamedTwiceIsRefused) {
  EXPECT_THAT(
      DecodeAuthRequest(R"({"version":"0.4.0","tee":"snp","tee":"sample"})").error().message(),
      HasSubstr("names the member 'tee' twice"));
}

TEST(KbsMessagesTest, ProblemsAreTrustees) {
  const std::string json = EncodeProblem({.name = "PolicyDeny", .detail = "no"});
  EXPECT_THAT(json,
              HasSubstr(R"("https://github.com/confidential-containers/kbs/errors/PolicyDeny")"));
  EXPECT_EQ(DecodeProblem(json)->name, "PolicyDeny");
  EXPECT_EQ(DecodeProblem(json)->detail, "no");
  EXPECT_TRUE(MeansSessionEnded(kInvalidCookie));
  EXPECT_FALSE(MeansSessionEnded(kPolicyDeny));
}

}  // namespace
}  // namespace locket::attest
