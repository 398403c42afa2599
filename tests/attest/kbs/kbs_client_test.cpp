// The guest's client against a broker that says anything at each step.
#include "attest/kbs/kbs_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/evidence/fake_evidence_source.h"
#include "attest/jose/jwe.h"
#include "attest/kbs/broker_admin_client.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "tests/attest/scripted_server.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

const std::string kCookie = "Set-Cookie: kbs-session-id=0123; Path=/kbs\r\n";
const std::string kChallenge = EncodeChallenge({.nonce = "bm9uY2U="});

std::string Refused(int status, const std::string& name, const std::string& detail) {
  return HttpAnswer(status, EncodeProblem({.name = name, .detail = detail}));
}

class KbsClientTest : public ::testing::Test {
 protected:
  // What comes of asking for a resource while the broker answers so.
  Result<Secret> Ask(const std::vector<std::string>& answers) {
    ScriptedServer server(answers);
    FakeEvidenceSource source([](const ReportData&) -> Result<Evidence> {
      return Evidence{.primary = R"({"attestation_report":"","cert_chain":"PEM"})"};
    });
    const auto client = KbsClient::Create({.url = "https://broker.test",
                                           .ca_pem = ReadText(TestTlsDirectory() / "ca.pem"),
                                           .dial = server.Dial(),
                                           .timeout = 30s},
                                          source)
                            .value();
    auto secret = client->FetchSecret(ResourceName::FromUri("kbs:///a/b/c").value());
    requests_ = server.requests();
    return secret;
  }
  std::vector<std::string> requests_;
};

TEST_F(KbsClientTest, NamesWhatIsWrongWithEachAnswer) {
  const std::string auth = HttpAnswer(200, kChallenge, kCookie);
  const std::string attested = HttpAnswer(200, EncodeAttestAnswer("a.b.c"));
  const std::tuple<std::vector<std::string>, ErrorCode, const char*> table[] = {
      {{}, ErrorCode::kInvalidArgument, "ended inside its headers"},
      {{"SSH-2.0\r\n\r\n"}, ErrorCode::kInvalidArgument, "no HTTP/1 status line"},
      {{"HTTP/1.1 200 OK\r\n"}, ErrorCode::kInvalidArgument, "ended inside its headers"},
      {{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"},
       ErrorCode::kInvalidArgument,
       "ended inside its body"},
      {{"HTTP/1.1 200 OK\r\n" + std::string(100000, 'h')},
       ErrorCode::kInvalidArgument,
       "headers above the limit"},
      {{HttpAnswer(200, kChallenge)}, ErrorCode::kInternal, "no session cookie"},
      {{HttpAnswer(200, kChallenge, "Set-Cookie: other=1\r\n")},
       ErrorCode::kInternal,
       "no session cookie"},
      {{HttpAnswer(200, "{", kCookie)}, ErrorCode::kInvalidArgument, "challenge: not JSON"},
      {{HttpAnswer(200, "{}", kCookie)}, ErrorCode::kInvalidArgument, "'nonce' is missing"},
      {{Refused(401, "AttestationError", "no such TEE")},
       ErrorCode::kPermissionDenied,
       "refused: no such TEE (AttestationError)"},
      {{HttpAnswer(500, "<html>")}, ErrorCode::kUnavailable, "it answered 500 without saying why"},
      {{HttpAnswer(302, "", "Location: https://elsewhere/\r\n")},
       ErrorCode::kInternal,
       "it answered 302 without saying why"},
      {{auth}, ErrorCode::kInvalidArgument, "ended inside its headers"},
      {{auth, HttpAnswer(200, "{}")}, ErrorCode::kInvalidArgument, "'token' is missing"},
      {{auth, HttpAnswer(200, R"({"token":"a\r\nX: y"})")},
       ErrorCode::kInvalidArgument,
       "what no header may"},
      {{auth, HttpAnswer(200, R"({"token":7})")}, ErrorCode::kInvalidArgument, "is not text"},
      {{auth, attested, HttpAnswer(200, "the secret")},
       ErrorCode::kInvalidArgument,
       "JWE: not JSON"},
      {{auth, attested,
        HttpAnswer(200, EncryptJwe(TeeKey::Generate()->PublicJwk(), AsBytes("other")).value())},
       ErrorCode::kDataLoss,
       "not wrapped for this key"},
      {{auth, attested, Refused(401, "PolicyDeny", "no")}, ErrorCode::kPermissionDenied, "no ("},
      {{auth, attested, Refused(404, "ResourceNotFound", "none")}, ErrorCode::kNotFound, "none"},
      {{auth, attested, Refused(503, "InternalError", "full")}, ErrorCode::kUnavailable, "full"}};
  for (const auto& [answers, code, reason] : table) {
    const auto secret = Ask(answers);
    ASSERT_FALSE(secret.ok()) << reason;
    EXPECT_EQ(secret.error().code(), code) << secret.error().message();
    EXPECT_THAT(secret.error().message(), HasSubstr(reason));
    EXPECT_THAT(secret.error().message(), HasSubstr("resource 'kbs:///a/b/c'"));
  }
}

TEST_F(KbsClientTest, SendsCookieAndTokenToItsBrokerAndFollowsNobody) {
  const auto secret =
      Ask({HttpAnswer(200, kChallenge, kCookie), HttpAnswer(200, EncodeAttestAnswer("a.b.c")),
           HttpAnswer(302, "", "Location: https://elsewhere/\r\n")});
  EXPECT_FALSE(secret.ok());
  ASSERT_EQ(requests_.size(), 3U);
  EXPECT_THAT(requests_[0], Not(HasSubstr("Cookie")));
  EXPECT_THAT(requests_[1], HasSubstr("Cookie: kbs-session-id=0123\r\n"));
  EXPECT_THAT(requests_[1], Not(HasSubstr("Authorization")));
  EXPECT_THAT(requests_[2], HasSubstr("GET /kbs/v0/resource/a/b/c HTTP/1.1\r\n"));
  EXPECT_THAT(requests_[2], HasSubstr("Authorization: Bearer a.b.c\r\n"));
}

// A session that ends at once is no reason to attest for ever.
TEST_F(KbsClientTest, AttestsOnceForOneResource) {
  const auto secret =
      Ask({HttpAnswer(200, kChallenge, kCookie), HttpAnswer(200, EncodeAttestAnswer("a.b.c")),
           Refused(401, "InvalidCookie", "the session has expired"),
           HttpAnswer(200, kChallenge, kCookie)});
  EXPECT_THAT(secret.error().message(), HasSubstr("the session has expired"));
  EXPECT_EQ(requests_.size(), 3U);
}

TEST_F(KbsClientTest, TheBrokersWordsAreOneShortLine) {
  const auto secret =
      Ask({Refused(401, "AttestationError", "a\r\nb" + std::string(100000, 'x') + "\x1b[0m")});
  EXPECT_LT(secret.error().message().size(), 1000U);
  for (const char c : secret.error().message()) EXPECT_GE(c, ' ');
}

TEST(BrokerAdminClientTest, NamesWhatIsWrongWithAnAnswer) {
  const FakeClock clock = [] {
    FakeClock now;
    now.Set(std::chrono::system_clock::now());
    return now;
  }();
  const auto list = [&](const std::string& answer) {
    ScriptedServer server({answer});
    const std::string key = ReadText(TestTlsDirectory() / "admin.key");
    Secret secret(key.size());
    std::ranges::copy(AsBytes(key), secret.Reveal().begin());
    auto admin = BrokerAdminClient::Create({.url = "https://broker.test",
                                            .ca_pem = ReadText(TestTlsDirectory() / "ca.pem"),
                                            .private_key_pem = std::move(secret),
                                            .dial = server.Dial()},
                                           clock)
                     .value();
    const auto resources = admin.ListResources();
    return resources.ok() ? "listed" : resources.error().message();
  };
  EXPECT_EQ(list(HttpAnswer(200, R"(["a/b/c"])")), "listed");
  EXPECT_THAT(list(HttpAnswer(200, "{}")), HasSubstr("its answer is no list"));
  EXPECT_THAT(list(HttpAnswer(200, "[7]")),
              HasSubstr("'' is not a resource name, REPOSITORY/TYPE/TAG"));
  EXPECT_THAT(list(HttpAnswer(200, R"(["../../etc"])")), HasSubstr("'../../etc' is not"));
  EXPECT_THAT(list(HttpAnswer(200, "[")), HasSubstr("not JSON"));
  EXPECT_THAT(list(HttpAnswer(500, "")), HasSubstr("it answered 500 without saying why"));
  EXPECT_THAT(list(Refused(401, "AdminAuthError", "no")), HasSubstr("refused: no"));
}

}  // namespace
}  // namespace locket::attest
