// KBS messages, HTTP messages and release policies as values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/dialer.h"
#include "attest/http_message.h"
#include "attest/https_client.h"
#include "attest/kbs_client.h"
#include "attest/kbs_messages.h"
#include "attest/release_policy.h"
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

TEST(ResourcePathTest, HasThreeSegments) {
  EXPECT_EQ(ParseResourceUri("kbs:///a/b/c.d")->ToText(), "a/b/c.d");
  EXPECT_EQ(ParseResourceUri("kbs://host:1/a/b/c")->ToUri(), "kbs:///a/b/c");
  for (const char* uri : {"kbs:///a/b", "kbs:///a/b/c/d", "kbs:///a//c", "kbs:///.a/b/c", "a/b/c",
                          "kbs:///a/b/sha256:c", "kbs:///a/b/c?x=y", "kbs:///a/../c", "kbs:///",
                          "kbs://", "kbs:///a/b/c "}) {
    EXPECT_FALSE(ParseResourceUri(uri).ok()) << uri;
  }
}

ReleasePolicy SomePolicy() {
  ReleasePolicy policy{.resource = {.repository = "a", .type = "b", .tag = "c"},
                       .tee = {TeeKind::kSnp},
                       .measurements = {{}},
                       .host_data = {{}}};
  policy.measurements[0].fill(std::byte{1});
  policy.host_data[0].fill(std::byte{2});
  policy.min_tcb = {.boot_loader = 3, .snp = 8, .microcode = 115};
  return policy;
}

VerifiedSnp MatchingGuest() {
  VerifiedSnp guest{.report = {}, .kind = TeeKind::kSnp};
  guest.report.measurement.fill(std::byte{1});
  guest.report.host_data.fill(std::byte{2});
  guest.report.reported_tcb = {.boot_loader = 3, .snp = 9, .microcode = 115};
  return guest;
}

TEST(ReleasePolicyTest, ComesBackWhole) {
  ReleasePolicy policy = SomePolicy();
  policy.tee.push_back(TeeKind::kEmulated);
  policy.allow_debug = true;
  EXPECT_EQ(DecodeReleasePolicy(EncodeReleasePolicy(policy)).value(), policy);
}

TEST(ReleasePolicyTest, NamesWhatIsMalformed) {
  const auto change = [](const std::string& from, const std::string& to) {
    std::string json = EncodeReleasePolicy(SomePolicy());
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return DecodeReleasePolicy(json.replace(at, from.size(), to)).error().message();
  };
  EXPECT_THAT(change(R"("allow_debug":false)", R"("allow_debug":1)"), HasSubstr("allow_debug"));
  EXPECT_THAT(change(R"("tee":["snp"])", R"("tee":[])"), HasSubstr("'tee' must list"));
  EXPECT_THAT(change(R"(["snp"])", R"(["sgx"])"), HasSubstr("'sgx'"));
  EXPECT_THAT(change(R"("resource":"a/b/c")", R"("resource":"a")"), HasSubstr("'a'"));
  EXPECT_THAT(change(R"("snp":8)", R"("snp":256)"), HasSubstr("'snp' is not 0 to 255"));
  EXPECT_THAT(change("0101", "01"), HasSubstr("'measurements'"));
  EXPECT_THAT(change("0202", "GG02"), HasSubstr("'host_data'"));
  EXPECT_THAT(change(R"("min_tcb")", R"("min_tbc")"), HasSubstr("unknown key 'min_tbc'"));
}

TEST(ReleasePolicyTest, ReleasesOnlyOnAFullMatchAndNamesWhatDiffers) {
  const ReleasePolicy policy = SomePolicy();
  EXPECT_TRUE(Evaluate(policy, MatchingGuest()).ok());
  const auto refusal = [&](const std::function<void(VerifiedSnp&)>& change) {
    VerifiedSnp guest = MatchingGuest();
    change(guest);
    const auto decided = Evaluate(policy, guest);
    return decided.ok() ? "released" : decided.error().message();
  };
  EXPECT_THAT(refusal([](auto& g) { g.kind = TeeKind::kEmulated; }), HasSubstr("TEE 'emulated'"));
  EXPECT_EQ(refusal([](auto& g) { g.report.measurement.fill(std::byte{0xAB}); }),
            "measurement " + HexEncode(std::vector<std::byte>(48, std::byte{0xAB})) +
                " is not among the 1 allowed");
  EXPECT_THAT(refusal([](auto& g) { g.report.host_data[31] = std::byte{0}; }),
              HasSubstr("host_data 0202"));
  EXPECT_THAT(refusal([](auto& g) { g.report.reported_tcb.snp = 7; }),
              HasSubstr("snp is 7, at least 8"));
  EXPECT_THAT(refusal([](auto& g) { g.report.reported_tcb.microcode = 114; }),
              HasSubstr("microcode is 114"));
  EXPECT_THAT(refusal([](auto& g) { g.report.policy |= kSnpPolicyDebug; }), HasSubstr("debug"));
  EXPECT_THAT(refusal([](auto& g) { g.report.policy |= kSnpPolicyMigrate; }),
              HasSubstr("migration agent"));
  EXPECT_THAT(refusal([](auto& g) { g.report.vmpl = 3; }), HasSubstr("VMPL 3"));
}

TEST(ReleasePolicyTest, AllowsDebugOnlyWhenItSaysSo) {
  ReleasePolicy policy = SomePolicy();
  policy.allow_debug = true;
  VerifiedSnp guest = MatchingGuest();
  guest.report.policy |= kSnpPolicyDebug;
  EXPECT_TRUE(Evaluate(policy, guest).ok());
}

}  // namespace
}  // namespace locket::attest
