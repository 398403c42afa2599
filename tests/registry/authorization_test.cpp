// What a registry is told of who we are, and what it is not.
#include <atomic>
#include <optional>

#include "tests/registry/faulty_registry.h"

namespace locket::registry {
namespace {

CredentialStore FailingHelper(std::atomic<int>& asked) {
  CredentialStore store(
      [&](const std::string&, const std::string&) -> Result<std::optional<Credentials>> {
        ++asked;
        return Error(ErrorCode::kFailedPrecondition, "the keyring is locked");
      });
  EXPECT_TRUE(store.Add(R"({"credsStore":"keys"})", "/c.json").ok());
  return store;
}

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(FaultyRegistryTest, ARedirectTakesNoCredentialsToAnotherHost) {
  ScriptedServer storage(ServeBlob);
  Start([&](const SeenRequest& request) {
    if (!request.headers.contains("authorization")) {
      return Reply{.status = 401, .headers = {"WWW-Authenticate: Basic realm=x"}};
    }
    return Reply{.status = 307, .headers = {"Location: " + storage.url() + "/data"}};
  });
  ASSERT_TRUE(credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"auth":"dTpw"}}})").ok());
  MakeClient();
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(server_->seen().at(1).headers.at("authorization"), "Basic dTpw");
  EXPECT_FALSE(storage.seen().at(0).headers.contains("authorization"));
}

TEST_F(FaultyRegistryTest, BearerTokensAreFetchedOnceAndUsed) {
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) return Reply{.body = R"({"token":"tok"})"};
    const auto found = request.headers.find("authorization");
    if (found == request.headers.end() || found->second != "Bearer tok") {
      return Reply{.status = 401,
                   .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() +
                               "/token\",service=\"s v\",scope=\"repository:a/b:pull\""}};
    }
    return ServeBlob(request);
  });
  ASSERT_TRUE(credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"auth":"dTpw"}}})").ok());
  MakeClient();
  ASSERT_TRUE(Fetch().ok());
  ASSERT_TRUE(Fetch().ok());
  const auto seen = server_->seen();
  ASSERT_THAT(seen, SizeIs(4)) << "401, token, blob, blob";
  EXPECT_EQ(seen[1].target, "/token?scope=repository%3Aa%2Fb%3Apull&service=s%20v");
  EXPECT_EQ(seen[1].headers.at("authorization"), "Basic dTpw");
  EXPECT_EQ(seen[0].headers.at("user-agent"), "locket/" LOCKET_VERSION);
}

TEST_F(FaultyRegistryTest, IdentityTokensAreTradedByPost) {
  Start([&](const SeenRequest& request) {
    if (request.target == "/token") return Reply{.body = R"({"access_token":"tok"})"};
    if (request.headers.contains("authorization")) return ServeBlob(request);
    return Reply{.status = 401,
                 .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() + "/token\""}};
  });
  ASSERT_TRUE(
      credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"identitytoken":"re&f"}}})")
          .ok());
  MakeClient();
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(server_->seen().at(1).method, "POST");
  EXPECT_THAT(server_->seen().at(1).body,
              AllOf(HasSubstr("grant_type=refresh_token"), HasSubstr("refresh_token=re%26f")));
}

TEST_F(FaultyRegistryTest, A401AfterATokenIsNoLoop) {
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) return Reply{.body = R"({"token":"tok"})"};
    return Reply{.status = 401,
                 .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() + "/token\""},
                 .body = R"({"errors":[{"code":"UNAUTHORIZED","message":"no"}]})"};
  });
  MakeClient();
  const auto content = Fetch();
  EXPECT_EQ(content.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(content.error().message(), AllOf(HasSubstr("HTTP 401 UNAUTHORIZED (no)"),
                                               HasSubstr("skopeo login " + server_->host())));
  EXPECT_THAT(server_->seen(), SizeIs(3));
}

// Each token is good for one answer, and answers break off.
TEST_F(FaultyRegistryTest, ATokenThatExpiresWhileABlobComesIsReplaced) {
  std::atomic<int> tokens = 0;
  std::atomic<int> blobs = 0;
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) {
      return Reply{.body = R"({"token":"tok)" + std::to_string(++tokens) + R"("})"};
    }
    const auto found = request.headers.find("authorization");
    if (found == request.headers.end() ||
        found->second != "Bearer tok" + std::to_string(blobs + 1)) {
      return Reply{.status = 401,
                   .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() + "/token\""}};
    }
    Reply reply = ServeBlob(request);
    if (++blobs < 3) {
      reply.content_length = static_cast<long>(reply.body.size());
      reply.body.resize(reply.body.size() / 2);
    }
    return reply;
  });
  MakeClient();
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(*content, kContent);
  EXPECT_EQ(tokens, 3) << "one for each part";
}

TEST_F(FaultyRegistryTest, AHelperIsAskedWhenTheRegistryAsksAndNotBefore) {
  std::atomic<int> asked = 0;
  std::atomic<bool> locked = false;
  Start([&](const SeenRequest& request) {
    if (!locked || request.headers.contains("authorization")) return ServeBlob(request);
    return Reply{.status = 401, .headers = {"WWW-Authenticate: Basic realm=x"}};
  });
  credentials_ = CredentialStore(
      [&](const std::string&, const std::string&) -> Result<std::optional<Credentials>> {
        ++asked;
        Secret password(2);
        password.Reveal()[0] = std::byte{'p'};
        password.Reveal()[1] = std::byte{'w'};
        return std::optional(Credentials{.username = "u", .password = std::move(password)});
      });
  ASSERT_TRUE(credentials_.Add(R"({"credsStore":"keys"})").ok());
  MakeClient();
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(asked, 0);
  locked = true;
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(server_->seen().back().headers.at("authorization"), "Basic dTpwdw==");
  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(asked, 1) << "what worked is remembered";
}

TEST_F(FaultyRegistryTest, AFailingHelperFailsTheCallAndIsNotTriedAgain) {
  std::atomic<int> asked = 0;
  Serve([](const SeenRequest&) {
    return Reply{.status = 401, .headers = {"WWW-Authenticate: Basic realm=x"}};
  });
  credentials_ = FailingHelper(asked);
  MakeClient();
  EXPECT_THAT(Fetch().error().message(),
              AllOf(HasSubstr("the keyring is locked"), HasSubstr("/c.json")));
  EXPECT_EQ(asked, 1);
}

// As skopeo, which does not even read `credsStore`: public images need nobody's name.
TEST_F(FaultyRegistryTest, AFailingHelperDoesNotMatterWhereAnAnonymousTokenDoes) {
  std::atomic<int> asked = 0;
  std::atomic<bool> is_public = true;
  Start([&](const SeenRequest& request) {
    if (request.target.starts_with("/token")) return Reply{.body = R"({"token":"tok"})"};
    if (request.headers.contains("authorization") && is_public) return ServeBlob(request);
    if (request.headers.contains("authorization")) return Reply{.status = 403};
    return Reply{.status = 401,
                 .headers = {"WWW-Authenticate: Bearer realm=\"" + server_->url() + "/token\""}};
  });
  credentials_ = FailingHelper(asked);
  MakeClient();
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_FALSE(server_->seen().at(1).headers.contains("authorization"));
  is_public = false;
  EXPECT_THAT(Fetch().error().message(),
              AllOf(HasSubstr("the keyring is locked"), HasSubstr("/c.json")))
      << "whoever is refused has to hear why there was no name";
}

}  // namespace
}  // namespace locket::registry
