// What the guest's client says, call by call, and each of its calls broken in turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/common/json.h"
#include "attest/evidence/fake_evidence_source.h"
#include "attest/jose/jwe.h"
#include "attest/kbs/kbs_client.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "tests/attest/scripted_server.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

const std::string kCookie = "Set-Cookie: kbs-session-id=0123; Path=/kbs; HttpOnly\r\n";
const ResourceName kName{.repository = "a", .type = "b", .tag = "c"};

std::string Challenged() {
  return HttpAnswer(200, EncodeChallenge({.nonce = "bm9uY2U="}), kCookie);
}
std::string Attested() { return HttpAnswer(200, EncodeAttestAnswer("a.b.c")); }
std::string Problem(int status, std::string_view name) {
  return HttpAnswer(status, EncodeProblem({.name = std::string(name), .detail = "why"}));
}

std::string BodyOf(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

class KbsCallsTest : public ::testing::Test {
 protected:
  std::unique_ptr<KbsClient> Client(ScriptedServer& server, const std::string& initdata = "") {
    return KbsClient::Create({.url = "https://broker.test",
                              .ca_pem = ReadText(TestTlsDirectory() / "ca.pem"),
                              .dial = server.Dial(),
                              .initdata_toml = initdata,
                              .timeout = 30s},
                             source_)
        .value();
  }
  FakeEvidenceSource source_{[this](const ReportData& report_data) -> Result<Evidence> {
    asked_ = report_data;
    if (no_evidence_) return Error(ErrorCode::kUnavailable, "the TEE is gone");
    return Evidence{.primary = R"({"any":["form",1]})"};
  }};
  ReportData asked_{};
  bool no_evidence_ = false;
};

TEST_F(KbsCallsTest, SaysWhatTheProtocolAsksFor) {
  ScriptedServer server({Challenged(), Attested(), Problem(401, kPolicyDeny)});
  EXPECT_FALSE(Client(server, "algorithm = \"sha256\"\n")->FetchSecret(kName).ok());
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_THAT(requests[0], StartsWith("POST /kbs/v0/auth HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(BodyOf(requests[0]),
            R"({"extra-params":{"supported-hash-algorithms":["sha384","sha512","sha256"]},)"
            R"("tee":"snp","version":"0.4.0"})");
  EXPECT_THAT(requests[1], StartsWith("POST /kbs/v0/attest HTTP/1.1\r\n"));
  const auto attest = ParseJsonObject(BodyOf(requests[1])).value();
  EXPECT_EQ(attest["runtime-data"]["nonce"], "bm9uY2U=");
  EXPECT_EQ(attest["runtime-data"]["tee-pubkey"]["kty"], "EC");
  EXPECT_FALSE(attest["runtime-data"]["tee-pubkey"].contains("d")) << "the private key stays";
  EXPECT_EQ(attest["tee-evidence"]["primary_evidence"].dump(), R"({"any":["form",1]})");
  EXPECT_EQ(attest["tee-evidence"]["additional_evidence"], "");
  EXPECT_EQ(attest["init-data"].dump(), R"({"body":"algorithm = \"sha256\"\n","format":"toml"})");
}

TEST_F(KbsCallsTest, BindsItsKeyAndTheNonceWithTheHashThatTheBrokerChose) {
  for (const HashAlgorithm hash :
       {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    ScriptedServer server(
        {HttpAnswer(200, EncodeChallenge({.nonce = "bm9uY2U=", .hash = hash}), kCookie), ""});
    EXPECT_FALSE(Client(server)->FetchSecret(kName).ok());
    const auto attest = DecodeAttestRequest(BodyOf(server.requests().at(1))).value();
    EXPECT_EQ(asked_, ReportDataFor(hash, "bm9uY2U=", attest.tee_pubkey, "").value());
    EXPECT_FALSE(attest.initdata.has_value());
  }
}

TEST_F(KbsCallsTest, AttestsOnceForManyResources) {
  ScriptedServer server({Challenged(), Attested(), Problem(401, kPolicyDeny),
                         Problem(404, kResourceNotFound), Problem(401, kPolicyDeny)});
  const auto client = Client(server);
  EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(source_.calls(), 1);
  EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(KbsCallsTest, ASessionThatEndedMeanwhileIsReplacedOnce) {
  for (const auto& name : {kInvalidCookie, kTokenVerifierError}) {
    ScriptedServer server({Challenged(), Attested(), Problem(404, kResourceNotFound),
                           Problem(401, name), Challenged(), Attested(),
                           Problem(404, kResourceNotFound)});
    const auto client = Client(server);
    const int before = source_.calls();
    EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kNotFound) << name;
    EXPECT_EQ(source_.calls() - before, 2) << name;
    EXPECT_EQ(server.requests().size(), 7U) << name;
  }
}

// A failure at any step leaves a client that starts from the beginning.
TEST_F(KbsCallsTest, EveryExchangeBrokenInTurnLeavesTheClientUsable) {
  for (size_t broken = 0; broken < 3; ++broken) {
    std::vector<std::string> answers{Challenged(), Attested(), Problem(404, kResourceNotFound)};
    answers.resize(broken);
    answers.push_back("");  // hangs up without an answer
    // What the second call gets: a whole run, unless a session is left from the first.
    if (broken < 2) answers.insert(answers.end(), {Challenged(), Attested()});
    answers.push_back(Problem(404, kResourceNotFound));
    ScriptedServer server(answers);
    const auto client = Client(server);
    const auto first = client->FetchSecret(kName);
    ASSERT_FALSE(first.ok());
    EXPECT_THAT(first.error().message(), HasSubstr("ended inside its headers")) << broken;
    EXPECT_THAT(first.error().message(), StartsWith("resource 'kbs:///a/b/c': "));
    EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kNotFound) << broken;
  }
}

TEST_F(KbsCallsTest, WithoutEvidenceNothingIsSentAfterTheChallenge) {
  no_evidence_ = true;
  ScriptedServer server({Challenged(), Challenged(), Attested(), Problem(404, kResourceNotFound)});
  const auto client = Client(server);
  const auto refused = client->FetchSecret(kName);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().message(), "resource 'kbs:///a/b/c': obtain evidence: the TEE is gone");
  EXPECT_EQ(server.requests().size(), 1U);
  no_evidence_ = false;
  EXPECT_EQ(client->FetchSecret(kName).error().code(), ErrorCode::kNotFound);
}

TEST_F(KbsCallsTest, EachRefusalHasACodeThatSaysWhatToDo) {
  const std::tuple<int, std::string_view, ErrorCode> table[] = {
      {401, kPolicyDeny, ErrorCode::kPermissionDenied},
      {403, "Anything", ErrorCode::kPermissionDenied},
      {404, kResourceNotFound, ErrorCode::kNotFound},
      {401, kResourceNotFound, ErrorCode::kNotFound},
      {404, kInvalidRequestPath, ErrorCode::kInvalidArgument},
      {400, kInvalidRequest, ErrorCode::kInvalidArgument},
      {413, "PayloadTooLarge", ErrorCode::kInvalidArgument},
      {500, kInternalError, ErrorCode::kInternal},
      {503, kInternalError, ErrorCode::kUnavailable}};
  for (const auto& [status, name, code] : table) {
    ScriptedServer server({Challenged(), Attested(), Problem(status, name)});
    const auto refused = Client(server)->FetchSecret(kName);
    EXPECT_EQ(refused.error().code(), code) << status << name;
    EXPECT_THAT(refused.error().message(), HasSubstr("refused: why (" + std::string(name) + ")"));
  }
}

TEST_F(KbsCallsTest, TheNamesThatEndASessionAreTrusteesToo) {
  for (const char* name : {"InvalidCookie", "TokenVerifierError", "MissingCookie", "TokenNotFound",
                           "SessionExpired", "ExpiredCookie"}) {
    EXPECT_TRUE(MeansSessionEnded(name)) << name;
  }
  for (const char* name : {"", "invalidcookie", "PolicyDeny", "ResourceNotFound", "InternalError",
                           "AttestationError"}) {
    EXPECT_FALSE(MeansSessionEnded(name)) << name;
  }
}

}  // namespace
}  // namespace locket::attest
