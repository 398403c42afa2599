// The operator's client: six calls, what each sends, and what each answer means. And the token that
// makes somebody the administrator.
#include "attest/kbs/broker_admin_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/common/json.h"
#include "attest/jose/jwt.h"
#include "attest/kbs/admin_token.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "tests/attest/scripted_server.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using namespace std::chrono_literals;

const ResourceName kName{.repository = "a", .type = "b", .tag = "c"};

Secret FileSecret(const char* name) {
  const std::string text = ReadText(TestTlsDirectory() / name);
  Secret secret(text.size());
  std::ranges::copy(AsBytes(text), secret.Reveal().begin());
  return secret;
}

ReleasePolicy SomePolicy() {
  return {.resource = kName,
          .tee = {TeeKind::kEmulated},
          .measurements = {LaunchMeasurement{}},
          .host_data = {HostData{}}};
}

class AdminCallsTest : public ::testing::Test {
 protected:
  AdminCallsTest() { clock_.Set(std::chrono::system_clock::now()); }

  BrokerAdminClient Client(ScriptedServer& server) const {
    return BrokerAdminClient::Create({.url = "https://broker.test",
                                      .ca_pem = ReadText(TestTlsDirectory() / "ca.pem"),
                                      .private_key_pem = FileSecret("admin.key"),
                                      .dial = server.Dial()},
                                     clock_)
        .value();
  }

  // All six calls, each as a status.
  struct Call {
    std::function<Status(BrokerAdminClient&)> make;
    std::string request_line;
    std::string body;
  };
  static std::vector<Call> Calls() {
    return {{[](auto& c) { return c.SetResource(kName, AsBytes("secret")); },
             "POST /kbs/v0/resource/a/b/c HTTP/1.1\r\n", "secret"},
            {[](auto& c) { return c.DeleteResource(kName); },
             "DELETE /kbs/v0/resource/a/b/c HTTP/1.1\r\n", ""},
            {[](auto& c) -> Status {
               LOCKET_TRY(c.ListResources());
               return Ok();
             },
             "GET /kbs/v0/resources HTTP/1.1\r\n", ""},
            {[](auto& c) { return c.SetReleasePolicy(SomePolicy()); },
             "POST /kbs/v0/release-policy HTTP/1.1\r\n", EncodeReleasePolicy(SomePolicy())},
            {[](auto& c) { return c.DeleteReleasePolicy(kName); },
             "DELETE /kbs/v0/release-policy/a/b/c HTTP/1.1\r\n", ""},
            {[](auto& c) -> Status {
               LOCKET_TRY(c.ListReleasePolicies());
               return Ok();
             },
             "GET /kbs/v0/release-policy HTTP/1.1\r\n", ""}};
  }

  FakeClock clock_;
};

TEST_F(AdminCallsTest, EachSendsItsRequestWithAFreshToken) {
  for (const auto& call : Calls()) {
    ScriptedServer server({HttpAnswer(200, "[]")});
    auto client = Client(server);
    EXPECT_TRUE(call.make(client).ok()) << call.request_line;
    const std::string request = server.requests().at(0);
    EXPECT_THAT(request, StartsWith(call.request_line));
    EXPECT_THAT(request, EndsWith("\r\n\r\n" + call.body));
    const std::string bearer = "Authorization: Bearer ";
    const size_t at = request.find(bearer);
    ASSERT_NE(at, std::string::npos);
    const size_t start = at + bearer.size();
    const std::string token = request.substr(start, request.find("\r\n", start) - start);
    EXPECT_TRUE(
        CheckAdminToken(token, ReadText(TestTlsDirectory() / "admin.pub"), clock_.Now()).ok());
  }
}

TEST_F(AdminCallsTest, EachTellsRefusalsApart) {
  const std::tuple<int, std::string_view, ErrorCode> table[] = {
      {401, kAdminAuthError, ErrorCode::kPermissionDenied},
      {404, kResourceNotFound, ErrorCode::kNotFound},
      {400, kInvalidRequest, ErrorCode::kInvalidArgument},
      {404, kInvalidRequestPath, ErrorCode::kInvalidArgument},
      {500, kInternalError, ErrorCode::kInternal},
      {503, kInvalidRequest, ErrorCode::kInternal}};
  for (const auto& call : Calls()) {
    for (const auto& [status, name, code] : table) {
      ScriptedServer server(
          {HttpAnswer(status, EncodeProblem({.name = std::string(name), .detail = "why"}))});
      auto client = Client(server);
      const auto refused = call.make(client);
      EXPECT_EQ(refused.error().code(), code) << call.request_line << name;
      EXPECT_EQ(refused.error().message(), "broker 'https://broker.test': refused: why");
    }
  }
}

TEST_F(AdminCallsTest, EachNamesABrokerThatHangsUpOrSaysNothing) {
  for (const auto& call : Calls()) {
    ScriptedServer server({});
    auto client = Client(server);
    EXPECT_THAT(call.make(client).error().message(),
                HasSubstr("broker 'https://broker.test': malformed answer"));
    ScriptedServer wordless({HttpAnswer(401, "<html>")});
    auto other = Client(wordless);
    EXPECT_THAT(call.make(other).error().message(),
                HasSubstr("it answered 401 without saying why"));
  }
}

TEST_F(AdminCallsTest, ListsComeBackAsValues) {
  const std::string policy = EncodeReleasePolicy(SomePolicy());
  ScriptedServer server({HttpAnswer(200, R"(["a/b/c","x/y/z.1"])"),
                         HttpAnswer(200, "[" + policy + "]"), HttpAnswer(200, "[]"),
                         HttpAnswer(200, "[]")});
  auto client = Client(server);
  EXPECT_THAT(client.ListResources().value(),
              ElementsAre(kName, ResourceName::FromPath("x/y/z.1").value()));
  EXPECT_THAT(client.ListReleasePolicies().value(), ElementsAre(SomePolicy()));
  EXPECT_THAT(client.ListResources().value(), IsEmpty());
  EXPECT_THAT(client.ListReleasePolicies().value(), IsEmpty());
}

TEST_F(AdminCallsTest, AListWithOneBadEntryIsRefusedWhole) {
  for (const char* list :
       {R"(["a/b/c","a/b"])", R"(["a/b/c",null])", R"([["a/b/c"]])", "7", "{}"}) {
    ScriptedServer server({HttpAnswer(200, list)});
    auto client = Client(server);
    EXPECT_FALSE(client.ListResources().ok()) << list;
  }
  for (const char* list : {"[{}]", "[7]", R"([{"resource":"a/b/c"}])", "null"}) {
    ScriptedServer server({HttpAnswer(200, list)});
    auto client = Client(server);
    EXPECT_FALSE(client.ListReleasePolicies().ok()) << list;
  }
}

TEST_F(AdminCallsTest, AKeyThatCannotSignIsRefusedBeforeAnyCall) {
  for (const char* name : {"admin.pub", "server.key", "ca.pem"}) {
    ScriptedServer server({});
    const auto refused =
        BrokerAdminClient::Create({.url = "https://broker.test",
                                   .ca_pem = ReadText(TestTlsDirectory() / "ca.pem"),
                                   .private_key_pem = FileSecret(name),
                                   .dial = server.Dial()},
                                  clock_);
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << name;
    EXPECT_THAT(refused.error().message(), StartsWith("admin key: ")) << name;
    EXPECT_THAT(server.requests(), IsEmpty());
  }
}

// --- The token.

class AdminTokenTest : public ::testing::Test {
 protected:
  static std::string Check(const std::string& token, int64_t now = 1000) {
    const auto checked = CheckAdminToken(token, ReadText(TestTlsDirectory() / "admin.pub"),
                                         std::chrono::system_clock::from_time_t(now));
    if (checked.ok()) return "accepted";
    EXPECT_EQ(checked.error().code(), ErrorCode::kPermissionDenied) << checked.error().message();
    return checked.error().message();
  }
  static std::string Signed(const std::string& claims) {
    return SigningKey::FromPem(ReadText(TestTlsDirectory() / "admin.key"))->Sign(claims).value();
  }
};

TEST_F(AdminTokenTest, LastsFiveMinutes) {
  const auto token = MakeAdminToken(ReadText(TestTlsDirectory() / "admin.key"),
                                    std::chrono::system_clock::from_time_t(1000))
                         .value();
  EXPECT_EQ(Check(token, 1000), "accepted");
  EXPECT_EQ(Check(token, 1299), "accepted");
  EXPECT_EQ(Check(token, 1300), "admin token: the token has expired");
  EXPECT_EQ(Check(token, 940), "accepted") << "clocks may differ by a minute";
  EXPECT_THAT(Check(token, 939), HasSubstr("compare the two clocks"));
}

TEST_F(AdminTokenTest, NeedsTheRoleAndAnEnd) {
  EXPECT_EQ(Check(Signed(R"({"exp":2000,"role":"admin"})")), "accepted");
  for (const char* role : {R"("Admin")", R"("admin ")", R"("")", R"(["admin"])", "true", "null"}) {
    EXPECT_EQ(Check(Signed(std::string(R"({"exp":2000,"role":)") + role + "}")),
              "admin token: its role is not 'admin'")
        << role;
  }
  EXPECT_EQ(Check(Signed(R"({"exp":2000})")), "admin token: its role is not 'admin'");
  EXPECT_EQ(Check(Signed(R"({"role":"admin"})")),
            "admin token: the token has no whole number 'exp'");
  EXPECT_THAT(Check(Signed(R"({"exp":2000,"role":"guest","role":"admin"})")),
              HasSubstr("'role' twice"));
}

TEST_F(AdminTokenTest, IsNotAnyTextNorAnotherKeysToken) {
  EXPECT_THAT(Check(""), StartsWith("admin token: "));
  EXPECT_THAT(Check("a.b.c"), StartsWith("admin token: "));
  const auto other = MakeAdminToken(ReadText(TestTlsDirectory() / "other-admin.key"),
                                    std::chrono::system_clock::from_time_t(1000));
  EXPECT_EQ(Check(*other), "admin token: the token is not signed by the expected key");
  const auto p256 = SigningKey::Generate()->Sign(R"({"exp":2000,"role":"admin"})");
  EXPECT_EQ(Check(*p256), "admin token: the token is signed with 'ES256', the key is for EdDSA");
}

}  // namespace
}  // namespace locket::attest
