// Challenges and token services as there are, one a row.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "registry/token_scope.h"
#include "tests/registry/faulty_registry.h"

namespace locket::registry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Login {
  const char* name;
  // Answers in place of the registry and its token service, whose answers are written for them.
  std::function<std::optional<Reply>(const SeenRequest&, const std::string& url)> quirk;
};

std::string AuthorizationOf(const SeenRequest& request) {
  const auto found = request.headers.find("authorization");
  return found == request.headers.end() ? "" : found->second;
}

std::function<std::optional<Reply>(const SeenRequest&, const std::string&)> Challenge(
    const std::vector<std::string>& headers) {
  return [=](const SeenRequest& request, const std::string& url) -> std::optional<Reply> {
    if (request.target.starts_with("/token") || AuthorizationOf(request) == "Bearer tok") return {};
    Reply reply{.status = 401};
    for (std::string header : headers) {
      if (const size_t at = header.find("URL"); at != std::string::npos) header.replace(at, 3, url);
      reply.headers.push_back("WWW-Authenticate: " + header);
    }
    return reply;
  };
}

std::function<std::optional<Reply>(const SeenRequest&, const std::string&)> TokenAnswer(
    const Reply& answer, int times = 1000) {
  const auto left = std::make_shared<int>(times);
  return [=](const SeenRequest& request, const std::string& url) -> std::optional<Reply> {
    if (!request.target.starts_with("/token?") || (*left)-- <= 0) return {};
    Reply reply = answer;
    for (auto& header : reply.headers) {
      if (const size_t at = header.find("URL"); at != std::string::npos) header.replace(at, 3, url);
    }
    return reply;
  };
}

// Password u:p at the token service, whose token `tok` opens the registry.
class LoginTest : public FaultyRegistryTest, public ::testing::WithParamInterface<Login> {};

TEST_P(LoginTest, ATokenIsHadAndTheBlobComes) {
  Start([&](const SeenRequest& request) {
    if (auto reply = GetParam().quirk(request, server_->url())) return *reply;
    if (request.target.starts_with("/token")) {
      if (AuthorizationOf(request) != "Basic dTpw") return Reply{.status = 401};
      return Reply{.body = R"({"token":"tok","expires_in":300})"};
    }
    if (AuthorizationOf(request) == "Bearer tok") return ServeBlob(request);
    return *Challenge({"Bearer realm=\"URL/token\",service=\"s\",scope=\"repository:a/b:pull\""})(
        request, server_->url());
  });
  ASSERT_TRUE(credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"auth":"dTpw"}}})").ok());
  MakeClient();
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(*content, kContent);
}

INSTANTIATE_TEST_SUITE_P(
    Each, LoginTest,
    ::testing::Values(
        Login{"Usual", Challenge({"Bearer realm=\"URL/token\",service=\"s\""})},
        Login{"LowerCase", Challenge({"bearer realm=\"URL/token\""})},
        Login{"UpperCaseNames", Challenge({"BEARER Realm=\"URL/token\", Scope=\"\""})},
        Login{"Unquoted", Challenge({"Bearer realm=URL/token,service=s"})},
        Login{"RelativeRealm", Challenge({"Bearer realm=\"/token\""})},
        Login{"RealmWithQuery", Challenge({"Bearer realm=\"URL/token?a=b\""})},
        Login{"QuotedCommas",
              Challenge({"Bearer scope=\"repository:a/b:pull,push\",realm=\"URL/token\""})},
        Login{"BasicFirst", Challenge({"Basic realm=\"x, y\"", "Bearer realm=\"URL/token\""})},
        Login{"BasicInTheSameHeader", Challenge({"Basic realm=\"x\", Bearer realm=\"URL/token\""})},
        Login{"NegotiateFirst", Challenge({"Negotiate YII==, Bearer realm=\"URL/token\""})},
        Login{"UnknownSchemes",
              Challenge({"Digest realm=\"x\", nonce=\"y\"", "Bearer realm=\"URL/token\""})},
        Login{"SeveralScopes",
              Challenge(
                  {"Bearer realm=\"URL/token\",scope=\"repository:a/b:pull repository:x:pull\""})},
        Login{"AccessToken", TokenAnswer({.body = R"({"access_token":"tok"})"})},
        Login{"BothTokens", TokenAnswer({.body = R"({"token":"tok","access_token":"tok"})"})},
        Login{"NullToken", TokenAnswer({.body = R"({"token":null,"access_token":"tok"})"})},
        Login{"EmptyToken", TokenAnswer({.body = R"({"token":"","access_token":"tok"})"})},
        Login{"OddExpiry", TokenAnswer({.body = R"({"token":"tok","expires_in":"soon"})"})},
        Login{"Token201", TokenAnswer({.status = 201, .body = R"({"token":"tok"})"})},
        Login{"TokenBusyOnce", TokenAnswer({.status = 429, .headers = {"Retry-After: 1"}}, 1)},
        Login{"TokenFailsOnce", TokenAnswer({.status = 503}, 1)},
        Login{"Redirect301", TokenAnswer({.status = 301, .headers = {"Location: /token/"}})},
        Login{"Redirect302", TokenAnswer({.status = 302, .headers = {"Location: URL/token/x"}})},
        Login{"Redirect307", TokenAnswer({.status = 307, .headers = {"Location: /token/?x=y"}})},
        Login{"Redirect308", TokenAnswer({.status = 308, .headers = {"Location: token/"}})}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(FaultyRegistryTest, ATokenServicesRedirectTakesNoCredentialsToAnotherOrigin) {
  ScriptedServer other([](const SeenRequest&) { return Reply{.body = R"({"token":"tok"})"}; });
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) {
      return Reply{.status = 307, .headers = {"Location: " + other.url() + "/elsewhere"}};
    }
    if (AuthorizationOf(request) == "Bearer tok") return ServeBlob(request);
    return *Challenge({"Bearer realm=\"URL/token\""})(request, server_->url());
  });
  ASSERT_TRUE(credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"auth":"dTpw"}}})").ok());
  MakeClient();
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(AuthorizationOf(server_->seen().at(1)), "Basic dTpw");
  EXPECT_EQ(AuthorizationOf(other.seen().at(0)), "");
}

TEST_F(FaultyRegistryTest, AnIdentityTokenIsNotPostedToWhereATokenServiceRedirects) {
  ScriptedServer other([](const SeenRequest&) { return Reply{.body = R"({"token":"tok"})"}; });
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) {
      return Reply{.status = 307, .headers = {"Location: " + other.url() + "/elsewhere"}};
    }
    return *Challenge({"Bearer realm=\"URL/token\""})(request, server_->url());
  });
  ASSERT_TRUE(
      credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"identitytoken":"re"}}})").ok());
  MakeClient();
  EXPECT_THAT(Fetch().error().message(), HasSubstr("the identity token stays here"));
  EXPECT_THAT(other.seen(), SizeIs(0));
}

TEST_F(FaultyRegistryTest, TokenServicesMayNotRedirectInCircles) {
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) {
      return Reply{.status = 307, .headers = {"Location: " + request.target}};
    }
    return *Challenge({"Bearer realm=\"URL/token\""})(request, server_->url());
  });
  MakeClient();
  EXPECT_THAT(Fetch().error().message(),
              AllOf(HasSubstr("token service"), HasSubstr("redirected more than 5 times")));
  EXPECT_THAT(server_->seen(), SizeIs(7));
}

// A registry whose tokens are as narrow as the request before needed them, and that says of a token
// that is too narrow no more than `refusal` does.
class NarrowTokenTest : public FaultyRegistryTest, public ::testing::WithParamInterface<Reply> {};

TEST_P(NarrowTokenTest, ATokenForWhatThePushNeedsIsAskedFor) {
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) {
      const bool wide = request.target.find("push") != std::string::npos;
      return Reply{.body = std::string(R"({"token":")") + (wide ? "push" : "pull") + R"("})"};
    }
    const bool writes = request.method != "HEAD";
    const std::string authorization = AuthorizationOf(request);
    if (authorization.empty()) {
      return Reply{
          .status = 401,
          .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() +
                      "/token\",scope=\"repository:a/b:" + (writes ? "pull,push\"" : "pull\"")}};
    }
    if (writes && authorization != "Bearer push") return GetParam();
    if (request.method == "HEAD") return Reply{.status = 404};
    return Reply{.status = request.method == "POST" ? 202 : 201, .headers = {"Location: /up"}};
  });
  MakeClient();
  const auto pushed = client_->PushBlobBytes(image_, kBlob, kContent);
  ASSERT_TRUE(pushed.ok()) << pushed.error().message();
}

INSTANTIATE_TEST_SUITE_P(
    Each, NarrowTokenTest,
    ::testing::Values(Reply{.status = 401}, Reply{.status = 403},
                      Reply{.status = 401, .headers = {"WWW-Authenticate: Basic realm=\"harbor\""}},
                      Reply{.status = 403,
                            .headers = {"WWW-Authenticate: Bearer error=\"insufficient_scope\""}}));

// RFC 6750: insufficient_scope comes with the scope that would do.
TEST_F(FaultyRegistryTest, AScopeThatARegistryAsksForLaterIsAskedForToo) {
  for (const int status : {401, 403}) {
    Start([&](const SeenRequest& request) {
      if (request.target.starts_with("/token")) {
        const bool wide = request.target.find("special") != std::string::npos;
        return Reply{.body = std::string(R"({"token":")") + (wide ? "wide" : "narrow") + R"("})"};
      }
      const std::string authorization = AuthorizationOf(request);
      if (authorization == "Bearer wide") return ServeBlob(request);
      const std::string challenge =
          "WWW-Authenticate: Bearer realm=\"" + server_->url() + "/token\"";
      if (authorization.empty()) return Reply{.status = 401, .headers = {challenge}};
      return Reply{
          .status = status,
          .headers = {challenge + ",error=\"insufficient_scope\",scope=\"special:x:read\""}};
    });
    MakeClient();
    const auto content = Fetch();
    ASSERT_TRUE(content.ok()) << content.error().message();
    EXPECT_EQ(server_->seen().at(3).target,
              "/token?scope=special%3Ax%3Aread&scope=repository%3Aa%2Fb%3Apull");
  }
}

TEST_F(FaultyRegistryTest, APasswordIsTheWayOutOfATokenServiceThatFails) {
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) return Reply{.status = 404};
    if (AuthorizationOf(request) == "Basic dTpw") return ServeBlob(request);
    return *Challenge({"Bearer realm=\"URL/token\"", "Basic realm=\"x\""})(request, server_->url());
  });
  ASSERT_TRUE(credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"auth":"dTpw"}}})").ok());
  MakeClient();
  EXPECT_TRUE(Fetch().ok());
}

// The token expires between the POST and the PUT.
TEST_F(FaultyRegistryTest, ATokenThatExpiresInTheMiddleOfAnUploadIsReplaced) {
  std::atomic<int> valid = 1;
  std::atomic<int> given = 0;
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) {
      return Reply{.body = R"({"token":"tok)" + std::to_string(++given) + R"("})"};
    }
    if (AuthorizationOf(request) != "Bearer tok" + std::to_string(valid)) {
      return Reply{.status = 401,
                   .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() + "/token\""}};
    }
    if (request.method == "HEAD") return Reply{.status = 404};
    if (request.method == "PUT") return Reply{.status = request.body == kContent ? 201 : 400};
    ++valid;
    return Reply{.status = 202, .headers = {"Location: /up"}};
  });
  MakeClient();
  const auto pushed = client_->PushBlobBytes(image_, kBlob, kContent);
  ASSERT_TRUE(pushed.ok()) << pushed.error().message();
  EXPECT_EQ(given, 2);
}

TEST(WantedScopesTest, AreTheChallengesMadeWideEnough) {
  using ::testing::ElementsAre;
  const ScopeNeed pull{.repository = "a/b", .actions = "pull"};
  const ScopeNeed push{.repository = "a/b", .actions = "pull,push"};
  const ScopeNeed mount{.repository = "a/b", .actions = "pull,push", .mount_from = "c"};
  const auto wanted = [](std::string_view challenged, const ScopeNeed& need, bool insist = false) {
    return WantedScopes(challenged, need, insist);
  };
  EXPECT_THAT(wanted("", pull), ElementsAre("repository:a/b:pull"));
  EXPECT_THAT(wanted("repository:a/b:pull", pull), ElementsAre("repository:a/b:pull"));
  EXPECT_THAT(wanted("repository:a/b:pull", push), ElementsAre("repository:a/b:pull,push"));
  EXPECT_THAT(wanted("repository:a/b:push", push), ElementsAre("repository:a/b:push,pull"));
  EXPECT_THAT(wanted("repository:a/b:*", push), ElementsAre("repository:a/b:*"));
  EXPECT_THAT(wanted("repository:a/b:", push), ElementsAre("repository:a/b:pull,push"));
  EXPECT_THAT(wanted("registry:catalog:*", push),
              ElementsAre("registry:catalog:*", "repository:a/b:pull,push"));
  EXPECT_THAT(wanted("repository:proxy/a/b:pull", pull), ElementsAre("repository:proxy/a/b:pull"));
  EXPECT_THAT(wanted("repository:proxy/a/b:pull", push),
              ElementsAre("repository:proxy/a/b:pull,push"));
  EXPECT_THAT(wanted("repository:xa/b:pull", pull, true),
              ElementsAre("repository:xa/b:pull", "repository:a/b:pull"));
  EXPECT_THAT(wanted("repository:a/b:pull", mount),
              ElementsAre("repository:a/b:pull,push", "repository:c:pull"));
  EXPECT_THAT(wanted("repository:c:pull  repository:a/b:pull", mount),
              ElementsAre("repository:c:pull", "repository:a/b:pull,push"));
  EXPECT_EQ(wanted(std::string(5000, 'a') + " b", pull).size(), 2U);
}

}  // namespace
}  // namespace locket::registry
