#include "registry/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/encoding.h"
#include "base/file.h"
#include "registry/authorizer.h"
#include "registry/challenge.h"
#include "registry/errors.h"

namespace locket::registry {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Password(const Credentials* credentials) {
  return credentials == nullptr ? "none" : std::string(AsText(credentials->password.Reveal()));
}

TEST(CredentialsTest, FindsTheLongestMatch) {
  CredentialStore store;
  ASSERT_TRUE(store
                  .Add(R"({"auths":{
    "https://index.docker.io/v1/":{"auth":"aHViOmh1YnB3"},
    "r.example:5000":{"username":"u","password":"host"},
    "r.example:5000/team":{"auth":"dTp0ZWFtOnB3"},
    "helped.example":{}},"credsStore":"x"})")
                  .ok());
  EXPECT_EQ(Password(store.Find("docker.io", "library/a")), "hubpw");
  EXPECT_EQ(store.Find("docker.io", "library/a")->username, "hub");
  EXPECT_EQ(Password(store.Find("r.example:5000", "other/app")), "host");
  EXPECT_EQ(Password(store.Find("r.example:5000", "team/app")), "team:pw") << "colons in passwords";
  EXPECT_EQ(store.Find("r.example", "team/app"), nullptr) << "another port is another host";
  EXPECT_EQ(store.Find("helped.example", "a"), nullptr);
}

TEST(CredentialsTest, IdentityTokensAreTold) {
  CredentialStore store;
  ASSERT_TRUE(store.Add(R"({"auths":{"r":{"auth":"dTpw","identitytoken":"refresh"}}})").ok());
  EXPECT_TRUE(store.Find("r", "a")->is_identity_token());
  EXPECT_EQ(Password(store.Find("r", "a")), "refresh");
}

TEST(CredentialsTest, EarlierFilesWinAndAbsentOnesArePassedOver) {
  const auto directory = *TempDir::Create("/tmp", "credentials-test.");
  const auto first = directory.path() / "first.json";
  const auto second = directory.path() / "second.json";
  std::ofstream(first) << R"({"auths":{"r":{"username":"u","password":"1"}}})";
  std::ofstream(second) << R"({"auths":{"r":{"username":"u","password":"2"}}})";
  const auto store = CredentialStore::Load({directory.path() / "absent", first, second});
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ(Password(store->Find("r", "a")), "1");
  std::ofstream(second) << "{";
  EXPECT_THAT(CredentialStore::Load({second}).error().message(), HasSubstr("second.json"));
}

TEST(CredentialsTest, RefusesWithTheReason) {
  CredentialStore store;
  EXPECT_THAT(store.Add("[]").error().message(), HasSubstr("not JSON"));
  EXPECT_THAT(store.Add(R"({"auths":1})").error().message(), HasSubstr("'auths' is not an object"));
  EXPECT_THAT(store.Add(R"({"auths":{"r":{"auth":"!"}}})").error().message(),
              HasSubstr("not base64"));
  EXPECT_THAT(store.Add(R"({"auths":{"r":1}})").error().message(), HasSubstr("auths of 'r'"));
}

TEST(ChallengeTest, ReadsWhatRegistriesSend) {
  EXPECT_EQ(
      ParseChallenges(
          R"(Bearer realm="https://auth/token",service="reg",scope="repository:a:pull,push")"),
      (std::vector<Challenge>{{.scheme = "bearer",
                               .values = {{"realm", "https://auth/token"},
                                          {"service", "reg"},
                                          {"scope", "repository:a:pull,push"}}}}));
  EXPECT_EQ(ParseChallenges(R"(Basic realm="a \"b\"", Bearer Realm=x)"),
            (std::vector<Challenge>{{.scheme = "basic", .values = {{"realm", "a \"b\""}}},
                                    {.scheme = "bearer", .values = {{"realm", "x"}}}}));
  EXPECT_THAT(ParseChallenges(""), IsEmpty());
  EXPECT_THAT(ParseChallenges("=x"), IsEmpty());
  EXPECT_EQ(ParseChallenges("Bearer realm=\"never ends").size(), 1U);
}

TEST(TokenResponseTest, OnlyTextFitForAHeader) {
  EXPECT_EQ(*ParseTokenResponse(R"({"token":"t","access_token":"a"})"), "t");
  EXPECT_EQ(*ParseTokenResponse(R"({"access_token":"a"})"), "a");
  for (const char* bad :
       {"", "[]", "{}", R"({"token":""})", R"({"token":"a\r\nb"})", R"({"token":1})"}) {
    EXPECT_FALSE(ParseTokenResponse(bad).ok()) << bad;
  }
}

TEST(RegistryErrorTest, SaysCodeAndMessagePrintably) {
  EXPECT_EQ(RegistryErrorText(R"({"errors":[{"code":"DENIED","message":"no\u001b[2J"}]})"),
            "DENIED (no?[2J)");
  EXPECT_EQ(RegistryErrorText("<html>"), "");
  EXPECT_EQ(RegistryErrorText(R"({"errors":[1]})"), "");
  EXPECT_EQ(StatusError({.status = 403}, "r").code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(StatusError({.status = 401}, "r").message(), HasSubstr("skopeo login r"));
  EXPECT_EQ(StatusError({.status = 502}, "r").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(StatusError({.status = 418}, "r").code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace locket::registry
