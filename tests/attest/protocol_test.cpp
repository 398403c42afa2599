// KBS messages and HTTP messages as values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/dialer.h"
#include "attest/http_message.h"
#include "attest/https_client.h"
#include "attest/kbs_client.h"
#include "attest/kbs_messages.h"
#include "base/encoding.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

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
      .evidence = {.report = std::vector<std::byte>(3), .certificates = "PEM"},
      .initdata = "algorithm = \"sha256\"\n"};
  const auto back = DecodeAttestRequest(EncodeAttestRequest(request));
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->nonce, "n");
  EXPECT_EQ(back->additional_evidence, "{}");
  EXPECT_EQ(back->evidence.report.size(), 3U);
  EXPECT_EQ(back->evidence.certificates, "PEM");
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
      {R"({"runtime-data":{"nonce":"n","tee-pubkey":{}},"tee-evidence":{"primary_evidence":{}}})",
       "'attestation_report' is missing"},
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
                        .evidence = {.report = {}, .certificates = {}}};
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

TEST(HttpMessageTest, UrlsAreHttpsHostAndPort) {
  EXPECT_EQ(ParseHttpsUrl("https://a.example:8443/")->host_port, "a.example:8443");
  EXPECT_EQ(ParseHttpsUrl("https://a.example")->host_port, "a.example:443");
  EXPECT_EQ(ParseHttpsUrl("https://[::1]:1")->host, "::1");
  EXPECT_EQ(ParseHttpsUrl("https://[::1]:1")->host_port, "[::1]:1");
  for (const char* url : {"http://a", "https://", "https://a/b", "https://u@a", "https://a:0",
                          "https://a:65536", "https://a:x", "https://[::1", "https://a b", "a",
                          "https://[::1]x:1", "https://:1", "https://a\r\n"}) {
    EXPECT_FALSE(ParseHttpsUrl(url).ok()) << url;
  }
}

TEST(HttpMessageTest, AnswersAreReadInEveryForm) {
  const std::pair<const char*, const char*> whole[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more", "hi"},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n",
       "hi!"},
      {"HTTP/1.1 204 No\r\n\r\n", ""}};
  for (const auto& [bytes, body] : whole) {
    const auto response = ParseHttpResponse(bytes, /*ended=*/false);
    ASSERT_TRUE(response.ok()) << bytes;
    ASSERT_TRUE(response->has_value()) << bytes;
    EXPECT_EQ((*response)->body, body);
  }
  const std::string endless = "HTTP/1.0 200 OK\r\nA: b\r\n\r\nhi";
  EXPECT_FALSE(ParseHttpResponse(endless, /*ended=*/false)->has_value());
  EXPECT_EQ((*ParseHttpResponse(endless, /*ended=*/true))->body, "hi");
}

TEST(HttpMessageTest, EveryPrefixOfAnAnswerAsksForMore) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
  for (size_t size = 0; size < answer.size(); ++size) {
    const auto part = ParseHttpResponse(answer.substr(0, size), /*ended=*/false);
    ASSERT_TRUE(part.ok()) << size << ": " << part.error().message();
    EXPECT_FALSE(part->has_value()) << size;
    EXPECT_FALSE(ParseHttpResponse(answer.substr(0, size), /*ended=*/true).ok()) << size;
  }
}

TEST(HttpMessageTest, NonsenseIsRefused) {
  for (const std::string bytes :
       {"SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
    EXPECT_FALSE(ParseHttpResponse(bytes, /*ended=*/false).ok()) << bytes;
  }
  EXPECT_FALSE(ParseHttpResponse(std::string(70000, 'x'), /*ended=*/false).ok());
}

// A broker, or who stands in for it, that never comes to an end.
TEST(HttpMessageTest, AnswersWithoutEndAreRefusedAtALimit) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto repeat = [](const std::string& text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  const std::pair<std::string, const char*> table[] = {
      {"HTTP/1.1 200 OK\r\n" + repeat("a: b\r\n", 20000), "headers above the limit"},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(kMaxHttpBodyBytes + 1, 'x'),
       "a body above the limit"},
      {chunked + "1;" + std::string(2000, 'x'), "a chunk without length"},
      {chunked + "1;" + std::string(2000, 'x') + "\r\nx\r\n", "a chunk without length"},
      {chunked + repeat("10000\r\n" + std::string(0x10000, 'x') + "\r\n", 65),
       "a body above the limit"},
      {chunked + repeat("1;" + std::string(900, 'e') + "\r\nx\r\n", 10000),
       "an answer above the limit"},
      {chunked + "0\r\n" + repeat("a: b\r\n", 20000), "trailers above the limit"}};
  for (const auto& [bytes, reason] : table) {
    const auto answer = ParseHttpResponse(bytes, /*ended=*/false);
    ASSERT_FALSE(answer.ok()) << reason;
    EXPECT_THAT(answer.error().message(), HasSubstr(reason));
  }
}

TEST(HttpsClientTest, RefusesAUrlOrCaThatIsNone) {
  const auto create = [](const std::string& url, const std::string& ca) {
    return HttpsClient::Create({.url = url,
                                .ca_pem = ca,
                                .dial = TcpDialer(),
                                .timeout = 1s,
                                .times = CertificateTimes::kCheck})
        .error()
        .message();
  };
  EXPECT_THAT(create("http://a", ReadText(TestTlsDirectory() / "ca.pem")), HasSubstr("https://"));
  EXPECT_THAT(create("https://a", "no certificate"), HasSubstr("CA: no certificate"));
}

}  // namespace
}  // namespace locket::attest
