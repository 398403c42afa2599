#include "snapshotter/pull/pull_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/encoding.h"

namespace locket::snapshotter {
namespace {

using registry::Credentials;
using ::testing::HasSubstr;

Credentials Named(const std::string& username, const std::string& password = "p") {
  Secret secret(password.size());
  std::ranges::copy(AsBytes(password), secret.Reveal().begin());
  return {.username = username, .password = std::move(secret)};
}

std::string User(const std::optional<Credentials>& found) {
  return found ? found->username : "none";
}

TEST(PullSecretsTest, OneIsForItsRepositoryAndForNoOther) {
  PullSecrets secrets;
  ASSERT_TRUE(secrets.Remember("r.example:5000/team/app:1", Named("team")).ok());
  ASSERT_TRUE(secrets.Remember("nginx", Named("hub")).ok());
  EXPECT_EQ(User(secrets.Find("r.example:5000", "team/app")), "team");
  EXPECT_EQ(User(secrets.Find("r.example:5000", "team/other")), "none");
  EXPECT_EQ(User(secrets.Find("r.example", "team/app")), "none");
  EXPECT_EQ(User(secrets.Find("docker.io", "library/nginx")), "hub");
}

TEST(PullSecretsTest, TheLastOneGivenCounts) {
  PullSecrets secrets;
  ASSERT_TRUE(secrets.Remember("r/app:1", Named("wrong")).ok());
  ASSERT_TRUE(secrets.Remember("r/app:2", Named("right")).ok());
  EXPECT_EQ(User(secrets.Find("r", "app")), "none") << "'r' is a name on Docker's Hub";
  EXPECT_EQ(User(secrets.Find("docker.io", "r/app")), "right");
  EXPECT_EQ(secrets.size(), 1U);
}

TEST(PullSecretsTest, WhatWasNotUsedForLongestGoesFirst) {
  PullSecrets secrets;
  for (size_t i = 0; i < PullSecrets::kMaxSecrets; ++i) {
    ASSERT_TRUE(secrets.Remember("r.example/" + std::to_string(i), Named("u")).ok());
  }
  EXPECT_EQ(User(secrets.Find("r.example", "0")), "u");
  ASSERT_TRUE(secrets.Remember("r.example/more", Named("u")).ok());
  EXPECT_EQ(secrets.size(), PullSecrets::kMaxSecrets);
  EXPECT_EQ(User(secrets.Find("r.example", "0")), "u");
  EXPECT_EQ(User(secrets.Find("r.example", "1")), "none");
}

TEST(PullSecretsTest, RefusesWithTheReason) {
  PullSecrets secrets;
  EXPECT_EQ(secrets.Remember("NOT A NAME", Named("u")).error().code(), ErrorCode::kInvalidArgument);
  const auto large =
      secrets.Remember("r.example/a", Named("u", std::string(PullSecrets::kMaxSecretBytes, 'x')));
  EXPECT_EQ(large.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(secrets.size(), 0U);
}

std::string Understood(const PullAuth& auth) {
  const auto credentials = CredentialsFrom(auth, "r.example/app:1");
  if (!credentials.ok()) return "error: " + credentials.error().message();
  if (!*credentials) return "none";
  return (*credentials)->username + "=" + std::string(AsText((*credentials)->password.Reveal()));
}

TEST(CredentialsFromTest, UnderstandsWhatContainerdDoes) {
  const struct {
    PullAuth auth;
    const char* understood;
  } kCases[] = {
      {{}, "none"},
      {{.username = "u", .password = "p"}, "u=p"},
      {{.username = "u", .password = "p", .server_address = "https://r.example/v1/"}, "u=p"},
      {{.username = "u", .password = "p", .server_address = "r.example"}, "u=p"},
      {{.username = "u", .password = "p", .server_address = "other.example"}, "none"},
      {{.auth = "dTpwOnc="}, "u=p:w"},
      {{.auth = "dTpwAA=="}, "u=p"},
      {{.identity_token = "refresh"}, "<token>=refresh"},
      {{.auth = "!"}, "error: 'auth' is not base64 of user:password"},
      {{.auth = "OnA="}, "error: 'auth' is not base64 of user:password"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Understood(c.auth), c.understood);
}

TEST(CredentialsFromTest, TheHubHasThreeNames) {
  for (const char* server : {"https://index.docker.io/v1/", "registry-1.docker.io", "docker.io"}) {
    const auto credentials = CredentialsFrom(
        {.username = "u", .password = "p", .auth = {}, .server_address = server}, "nginx");
    ASSERT_TRUE(credentials.ok());
    EXPECT_TRUE(credentials->has_value()) << server;
  }
}

}  // namespace
}  // namespace locket::snapshotter
