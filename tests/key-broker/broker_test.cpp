// The broker without a network: each step of the protocol, and each way it can go wrong.
#include "key-broker/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "attest/common/json.h"
#include "attest/kbs/admin_token.h"
#include "base/encoding.h"
#include "key-broker/fake_audit_log.h"
#include "key-broker/fake_store.h"
#include "tests/key-broker/guest.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() {
    clock_.Set(std::chrono::system_clock::now());
    Start({.verifiers = TestVerifiers(),
           .admin_public_pem = attest::ReadText(attest::TestTlsDirectory() / "admin.pub")});
    const auto policy = attest::EncodeReleasePolicy(TestPolicy("a/b/c"));
    EXPECT_TRUE(store_.Put(Table::kPolicy, "a/b/c", AsBytes(policy)).ok());
    EXPECT_TRUE(store_.Put(Table::kResource, "a/b/c", AsBytes("the secret")).ok());
  }

  void Start(BrokerOptions options) {
    broker_ = Broker::Create(std::move(options), store_, audit_, clock_).value();
  }

  Response Send(const std::string& method, const std::string& path, std::string_view body = "",
                const std::string& cookie = "", const std::string& authorization = "",
                const std::string& peer = "127.0.0.1") {
    Request request{.method = method,
                    .path = path,
                    .authorization = authorization,
                    .cookie = cookie,
                    .body = Secret(body.size()),
                    .peer = peer};
    std::copy_n(AsBytes(body).begin(), body.size(), request.body.Reveal().begin());
    return broker_->Handle(request);
  }

  // "Name: detail" of a refusal.
  static std::string Why(const Response& response) {
    if (response.status == 200) return "allowed";
    const auto problem = attest::DecodeProblem(response.body);
    return problem.ok() ? problem->name + ": " + problem->detail : response.body;
  }

  struct Challenged {
    std::string cookie;
    attest::Challenge challenge;
  };
  Challenged Auth() {
    const auto response =
        Send("POST", "/kbs/v0/auth", attest::EncodeAuthRequest({.tee = "snp", .hashes = {}}));
    EXPECT_EQ(response.status, 200) << response.body;
    return {.cookie = response.set_cookie.substr(0, response.set_cookie.find(';')),
            .challenge = attest::DecodeChallenge(response.body).value()};
  }

  attest::AttestRequest MakeAttest(const attest::Challenge& challenge,
                                   const attest::EmulatedTee::Launch& launch = TestLaunch()) {
    attest::AttestRequest request{.nonce = challenge.nonce,
                                  .tee_pubkey = key_.PublicJwk(),
                                  .additional_evidence = {},
                                  .evidence = {},
                                  .initdata = std::string(kInitdata)};
    const auto report_data =
        attest::ReportDataFor(challenge.hash, request.nonce, request.tee_pubkey, "").value();
    request.evidence = SourceFor(launch).GetEvidence(report_data).value();
    return request;
  }

  Response Attest(const Challenged& challenged, const attest::AttestRequest& request) {
    return Send("POST", "/kbs/v0/attest", attest::EncodeAttestRequest(request), challenged.cookie);
  }

  // The cookie of an attested session, and its token.
  std::pair<std::string, std::string> Attested(
      const attest::EmulatedTee::Launch& launch = TestLaunch()) {
    const auto challenged = Auth();
    auto request = MakeAttest(challenged.challenge, launch);
    if (launch.host_data != TestHostData()) request.initdata.reset();
    const auto response = Attest(challenged, request);
    EXPECT_EQ(response.status, 200) << response.body;
    return {challenged.cookie, attest::DecodeAttestAnswer(response.body).value()};
  }

  std::string WhyNot(const attest::EmulatedTee::Launch& launch, const std::string& resource) {
    return Why(Send("GET", "/kbs/v0/resource/" + resource, "", Attested(launch).first));
  }

  std::string AdminBearer(const std::string& key = "admin.key") {
    return "Bearer " +
           attest::MakeAdminToken(attest::ReadText(attest::TestTlsDirectory() / key), clock_.Now())
               .value();
  }

  FakeClock clock_;
  FakeStore store_;
  FakeAuditLog audit_;
  std::unique_ptr<Broker> broker_;
  attest::TeeKey key_ = attest::TeeKey::Generate().value();
};

TEST_F(BrokerTest, ReleasesToTheGuestOfThePolicyByCookieAndByToken) {
  const auto [cookie, token] = Attested();
  for (const auto& response : {Send("GET", "/kbs/v0/resource/a/b/c", "", cookie),
                               Send("GET", "/kbs/v0/resource/a/b/c", "", "x=y; " + cookie),
                               Send("GET", "/kbs/v0/resource/a/b/c", "", "", "Bearer " + token)}) {
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_THAT(response.body, ::testing::Not(HasSubstr("the secret")));
    EXPECT_EQ(AsText(key_.Decrypt(response.body)->Reveal()), "the secret");
  }
  const auto entries = audit_.entries();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].action, "attest");
  EXPECT_TRUE(entries[3].allowed);
  EXPECT_EQ(entries[3].resource, "a/b/c");
  EXPECT_THAT(entries[3].details,
              ::testing::Contains(std::pair<std::string, std::string>("tee", "emulated")));
}

TEST_F(BrokerTest, DeniesWithoutAReleasePolicyWhetherTheResourceExistsOrNot) {
  ASSERT_TRUE(store_.Put(Table::kResource, "a/b/bare", AsBytes("x")).ok());
  EXPECT_EQ(WhyNot(TestLaunch(), "a/b/bare"), "PolicyDeny: no release policy for a/b/bare");
  EXPECT_EQ(WhyNot(TestLaunch(), "a/b/none"), "PolicyDeny: no release policy for a/b/none");
}

TEST_F(BrokerTest, TellsOnlyAllowedGuestsThatAResourceIsMissing) {
  ASSERT_TRUE(store_.Delete(Table::kResource, "a/b/c").ok());
  EXPECT_THAT(WhyNot(TestLaunch(), "a/b/c"), HasSubstr("ResourceNotFound"));
  auto other = TestLaunch();
  other.measurement.fill(std::byte{0x22});
  EXPECT_THAT(WhyNot(other, "a/b/c"), HasSubstr("PolicyDeny: measurement 2222"));
}

TEST_F(BrokerTest, DeniesGuestsThatDifferAndSaysInWhat) {
  auto launch = TestLaunch();
  launch.measurement.fill(std::byte{0x22});
  EXPECT_EQ(WhyNot(launch, "a/b/c"),
            "PolicyDeny: measurement " + std::string(96, '2') + " is not among the 1 allowed");
  launch = TestLaunch();
  launch.host_data.fill(std::byte{0x33});
  EXPECT_EQ(WhyNot(launch, "a/b/c"),
            "PolicyDeny: host_data " + std::string(64, '3') + " is not among the 1 allowed");
  launch = TestLaunch();
  launch.policy |= attest::kSnpPolicyDebug;
  EXPECT_THAT(WhyNot(launch, "a/b/c"), HasSubstr("debug"));
  auto policy = TestPolicy("a/b/c");
  policy.tee = {attest::TeeKind::kSnp};
  ASSERT_TRUE(
      store_.Put(Table::kPolicy, "a/b/c", AsBytes(attest::EncodeReleasePolicy(policy))).ok());
  EXPECT_THAT(WhyNot(TestLaunch(), "a/b/c"), HasSubstr("TEE 'emulated' is not among"));
  EXPECT_EQ(audit_.entries().back().allowed, false);
  EXPECT_THAT(audit_.entries().back().reason, HasSubstr("TEE 'emulated'"));
}

TEST_F(BrokerTest, RefusesTheEmulatedTeeUnlessConfigured) {
  Start({.verifiers = TestVerifiers(attest::EmulatedGuests::kRefuse)});
  auto challenged = Auth();
  EXPECT_EQ(Why(Attest(challenged, MakeAttest(challenged.challenge))),
            "AttestationError: emulated TEE is not allowed by this broker");
  Start({.verifiers = GenuineVerifiers()});
  challenged = Auth();
  EXPECT_THAT(Why(Attest(challenged, MakeAttest(challenged.challenge))),
              HasSubstr("emulated TEE is not allowed"));
  EXPECT_FALSE(audit_.entries().back().allowed);
}

TEST_F(BrokerTest, TakesEachNonceOnce) {
  const auto challenged = Auth();
  const auto request = MakeAttest(challenged.challenge);
  ASSERT_EQ(Attest(challenged, request).status, 200);
  EXPECT_THAT(Why(Attest(challenged, request)), HasSubstr("InvalidCookie: the session's nonce"));
  // The same evidence in a session of its own.
  EXPECT_THAT(Why(Attest(Auth(), request)), HasSubstr("nonce is not this session's"));
}

TEST_F(BrokerTest, TakesNoSecondTryAfterAFailedOne) {
  const auto challenged = Auth();
  auto request = MakeAttest(challenged.challenge);
  auto changed = request;
  auto snp = attest::DecodeSnpEvidence(request.evidence.primary).value();
  snp.report[0x90] ^= std::byte{1};
  changed.evidence.primary = attest::EncodeSnpEvidence(snp);
  EXPECT_THAT(Why(Attest(challenged, changed)), HasSubstr("signature is not the VCEK's"));
  EXPECT_THAT(Why(Attest(challenged, request)), HasSubstr("used already"));
}

TEST_F(BrokerTest, BindsNonceKeyAndAdditionalEvidence) {
  const auto with = [&](const std::function<void(attest::AttestRequest&)>& change) {
    const auto challenged = Auth();
    auto request = MakeAttest(challenged.challenge);
    change(request);
    return Why(Attest(challenged, request));
  };
  EXPECT_EQ(with([](auto&) {}), "allowed");
  const std::string unbound = "report_data does not bind";
  EXPECT_THAT(with([](auto& r) { r.tee_pubkey = attest::TeeKey::Generate()->PublicJwk(); }),
              HasSubstr(unbound));
  EXPECT_THAT(with([](auto& r) { r.additional_evidence = "{}"; }), HasSubstr(unbound));
  EXPECT_THAT(with([](auto& r) { r.nonce += "="; }), HasSubstr("nonce is not"));
  EXPECT_THAT(with([](auto& r) { *r.initdata += "# changed\n"; }),
              HasSubstr("is not the digest of the initdata sent"));
  EXPECT_THAT(with([](auto& r) { r.initdata = "no TOML"; }), HasSubstr("initdata"));
}

TEST_F(BrokerTest, EndsSessionsAndTokensByTime) {
  const auto [cookie, token] = Attested();
  clock_.Advance(299s);
  EXPECT_EQ(Why(Send("GET", "/kbs/v0/resource/a/b/c", "", cookie)), "allowed");
  clock_.Advance(1s);
  EXPECT_THAT(Why(Send("GET", "/kbs/v0/resource/a/b/c", "", cookie)),
              HasSubstr("InvalidCookie: the session has expired"));
  EXPECT_THAT(Why(Send("GET", "/kbs/v0/resource/a/b/c", "", "", "Bearer " + token)),
              HasSubstr("TokenVerifierError: the token has expired"));
  const auto challenged = Auth();
  const auto request = MakeAttest(challenged.challenge);
  clock_.Advance(300s);
  EXPECT_THAT(Why(Attest(challenged, request)), HasSubstr("expired"));
}

TEST_F(BrokerTest, RefusesStrangersTokensAndCookies) {
  const auto get = [&](const std::string& cookie, const std::string& authorization) {
    return Why(Send("GET", "/kbs/v0/resource/a/b/c", "", cookie, authorization));
  };
  EXPECT_THAT(get("", ""), HasSubstr("neither a session cookie nor a token"));
  EXPECT_THAT(get("kbs-session-id=00", ""), HasSubstr("no such session"));
  EXPECT_THAT(get("", "Bearer garbage"), HasSubstr("TokenVerifierError"));
  EXPECT_THAT(get("", AdminBearer()), HasSubstr("TokenVerifierError"));
  const auto stranger = attest::SigningKey::Generate()->Sign(R"({"exp":99999999999})");
  EXPECT_THAT(get("", "Bearer " + *stranger), HasSubstr("not signed by the expected key"));
  // A token outlives no restart.
  const auto token = Attested().second;
  Start({.verifiers = TestVerifiers()});
  EXPECT_THAT(get("", "Bearer " + token), HasSubstr("TokenVerifierError"));
}

TEST_F(BrokerTest, ReleasesNothingItCannotWriteDown) {
  const auto cookie = Attested().first;
  audit_.Break();
  const auto response = Send("GET", "/kbs/v0/resource/a/b/c", "", cookie);
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, ::testing::Not(HasSubstr("ciphertext")));
  EXPECT_EQ(Send("POST", "/kbs/v0/resource/x/y/z", "v", "", AdminBearer()).status, 500);
  EXPECT_FALSE(store_.Get(Table::kResource, "x/y/z").ok());
}

TEST_F(BrokerTest, AnswersAStoreThatBreaksWithoutDetails) {
  const auto cookie = Attested().first;
  for (int nth = 1; nth <= 2; ++nth) {
    store_.FailCall(nth);
    const auto response = Send("GET", "/kbs/v0/resource/a/b/c", "", cookie);
    EXPECT_EQ(response.status, 500) << nth;
    EXPECT_THAT(response.body, ::testing::Not(HasSubstr("the store broke")));
  }
  store_.FailCall(0);
  EXPECT_EQ(Send("GET", "/kbs/v0/resource/a/b/c", "", cookie).status, 200);
}

TEST_F(BrokerTest, ChoosesSha384WhereTheGuestMay) {
  const auto choose = [&](std::vector<attest::HashAlgorithm> hashes) {
    const auto response =
        Send("POST", "/kbs/v0/auth", attest::EncodeAuthRequest({.tee = "snp", .hashes = hashes}));
    return attest::DecodeChallenge(response.body)->hash;
  };
  using enum attest::HashAlgorithm;
  EXPECT_EQ(choose({kSha256, kSha384}), kSha384);
  EXPECT_EQ(choose({kSha512, kSha256}), kSha512);
}

TEST_F(BrokerTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/auth", "{")), HasSubstr("InvalidRequest: not JSON"));
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/auth", R"({"version":"0.1.1","tee":"snp"})")),
              HasSubstr("'0.1.1' is not 0.4.0"));
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/auth", R"({"version":"0.4.0","tee":"sgx"})")),
              HasSubstr("TEE 'sgx' is not supported"));
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/attest", "{}")), HasSubstr("no session cookie"));
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/attest", "{}", Auth().cookie)),
              HasSubstr("InvalidRequest: 'runtime-data'"));
  for (const char* path : {"/", "/kbs/v0/", "/kbs/v0/resource/a/b", "/kbs/v0/resource/a/b/../c",
                           "/kbs/v0/resource/a/b/c/d", "/kbs/v0/nothing"}) {
    const auto response = Send("GET", path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_THAT(Why(response), HasSubstr("InvalidRequestPath")) << path;
  }
  EXPECT_EQ(Send("DELETE", "/kbs/v0/auth").status, 404);
}

TEST_F(BrokerTest, LetsTheAdministratorSetListAndDelete) {
  const std::string admin = AdminBearer();
  EXPECT_EQ(Why(Send("POST", "/kbs/v0/resource/x/y/z", "value", "", admin)), "allowed");
  EXPECT_EQ(Send("GET", "/kbs/v0/resources", "", "", admin).body, R"(["a/b/c","x/y/z"])");
  const std::string policy = attest::EncodeReleasePolicy(TestPolicy("x/y/z"));
  EXPECT_EQ(Why(Send("POST", "/kbs/v0/release-policy", policy, "", admin)), "allowed");
  EXPECT_THAT(Send("GET", "/kbs/v0/release-policy", "", "", admin).body, HasSubstr(policy));
  const auto released = Send("GET", "/kbs/v0/resource/x/y/z", "", Attested().first);
  EXPECT_EQ(AsText(key_.Decrypt(released.body)->Reveal()), "value");
  EXPECT_EQ(Why(Send("DELETE", "/kbs/v0/release-policy/x/y/z", "", "", admin)), "allowed");
  EXPECT_THAT(WhyNot(TestLaunch(), "x/y/z"), HasSubstr("no release policy for x/y/z"));
  EXPECT_EQ(Why(Send("DELETE", "/kbs/v0/resource/x/y/z", "", "", admin)), "allowed");
  EXPECT_THAT(Why(Send("DELETE", "/kbs/v0/resource/x/y/z", "", "", admin)),
              HasSubstr("ResourceNotFound"));
  for (const auto& entry : audit_.entries()) {
    EXPECT_THAT(entry.reason + entry.resource, ::testing::Not(HasSubstr("value")));
  }
}

TEST_F(BrokerTest, NamesWhatTheAdministratorGotWrong) {
  const std::string admin = AdminBearer();
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/resource/x/y", "v", "", admin)),
              HasSubstr("InvalidRequest: 'x/y'"));
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/resource/x/y/z", "", "", admin)), HasSubstr("empty"));
  EXPECT_THAT(Why(Send("POST", "/kbs/v0/release-policy", "{}", "", admin)),
              HasSubstr("'resource' is missing"));
}

TEST_F(BrokerTest, RefusesEveryoneElseAsAdministrator) {
  const std::pair<const char*, const char*> calls[] = {
      {"POST", "/kbs/v0/resource/x/y/z"}, {"DELETE", "/kbs/v0/resource/a/b/c"},
      {"GET", "/kbs/v0/resources"},       {"POST", "/kbs/v0/release-policy"},
      {"GET", "/kbs/v0/release-policy"},  {"DELETE", "/kbs/v0/release-policy/a/b/c"}};
  const std::pair<std::string, const char*> strangers[] = {
      {"", "token is missing"},
      {"Basic YTpi", "token is missing"},
      {"Bearer x", "three parts"},
      {AdminBearer("other-admin.key"), "not signed by the expected key"},
      {"Bearer " + Attested().second, "the key is for EdDSA"}};
  for (const auto& [method, path] : calls) {
    for (const auto& [authorization, reason] : strangers) {
      const auto response = Send(method, path, "body", "", authorization);
      EXPECT_EQ(response.status, 401) << method << path;
      EXPECT_THAT(Why(response), HasSubstr(std::string("AdminAuthError: "))) << path;
      EXPECT_THAT(Why(response), HasSubstr(reason)) << path;
      EXPECT_FALSE(audit_.entries().back().allowed);
    }
  }
  EXPECT_TRUE(store_.Get(Table::kPolicy, "a/b/c").ok());
  const std::string admin = AdminBearer();
  Start({.verifiers = {}});
  EXPECT_THAT(Why(Send("GET", "/kbs/v0/resources", "", "", admin)),
              HasSubstr("admin.public_key is not configured"));
}

TEST_F(BrokerTest, WritesDownAQuarterOfTheRefusalsOfAWholeIpv6Network) {
  Start({.verifiers = {}, .refusals_per_minute = 8});
  for (int i = 1; i <= 100; ++i) {
    Send("GET", "/kbs/v0/resources", "", "", "", "2001:db8::" + std::to_string(i));
  }
  EXPECT_EQ(audit_.entries().size(), 2U);
  Send("GET", "/kbs/v0/resources", "", "", "", "2001:db8:0:1::1");
  ASSERT_EQ(audit_.entries().size(), 3U) << "another network has room";
  EXPECT_EQ(audit_.entries().back().peer, "2001:db8:0:1::1") << "the address itself is written";
}

TEST_F(BrokerTest, StartsOnlyWithAnAdminKeyThatIsOne) {
  const auto refused = Broker::Create(
      {.verifiers = {}, .admin_public_pem = attest::SigningKey::Generate()->PublicPem()}, store_,
      audit_, clock_);
  EXPECT_THAT(refused.error().message(), HasSubstr("not an Ed25519 key"));
}

}  // namespace
}  // namespace locket::key_broker
