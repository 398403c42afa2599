#include "registry/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "base/encoding.h"
#include "base/file.h"
#include "registry/authorizer.h"
#include "registry/challenge.h"
#include "registry/errors.h"

namespace locket::registry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Password(const Result<std::optional<Credentials>>& found) {
  if (!found.ok()) return "error: " + found.error().message();
  return *found ? std::string(AsText((*found)->password.Reveal())) : "none";
}

TEST(CredentialsTest, FindsTheLongestMatch) {
  CredentialStore store;
  ASSERT_TRUE(store
                  .Add(R"({"auths":{
    "https://index.docker.io/v1/":{"auth":"aHViOmh1YnB3"},
    "r.example:5000":{"username":"u","password":"host"},
    "r.example:5000/team":{"auth":"dTp0ZWFtOnB3"},
    "helped.example":{}}})")
                  .ok());
  EXPECT_EQ(Password(store.Find("docker.io", "library/a")), "hubpw");
  EXPECT_EQ((*store.Find("docker.io", "library/a"))->username, "hub");
  EXPECT_EQ(Password(store.Find("r.example:5000", "other/app")), "host");
  EXPECT_EQ(Password(store.Find("r.example:5000", "team/app")), "team:pw") << "colons in passwords";
  EXPECT_EQ(Password(store.Find("r.example", "team/app")), "none") << "other port, other host";
  EXPECT_EQ(Password(store.Find("helped.example", "a")), "none");
}

TEST(CredentialsTest, IdentityTokensAreTold) {
  CredentialStore store;
  ASSERT_TRUE(store.Add(R"({"auths":{"r":{"auth":"dTpw","identitytoken":"refresh"}}})").ok());
  EXPECT_TRUE((*store.Find("r", "a"))->is_identity_token());
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
  EXPECT_THAT(store.Add(R"({"credHelpers":[]})").error().message(),
              HasSubstr("'credHelpers' is not an object"));
  EXPECT_THAT(store.Add(R"({"credHelpers":{"r":1}})").error().message(),
              HasSubstr("credHelpers of 'r'"));
}

// Helpers that answer from a table, and remember what they were asked.
class HelpedStoreTest : public ::testing::Test {
 protected:
  CredentialHelper Helper() {
    return [this](const std::string& name,
                  const std::string& server) -> Result<std::optional<Credentials>> {
      asked_.push_back(name + " " + server);
      if (name == "broken") return Error(ErrorCode::kFailedPrecondition, "helper broke");
      const auto known = known_.find(name + " " + server);
      if (known == known_.end()) return std::optional<Credentials>();
      Secret password(known->second.size());
      std::ranges::copy(AsBytes(known->second), password.Reveal().begin());
      return std::optional(Credentials{.username = "u", .password = std::move(password)});
    };
  }

  std::map<std::string, std::string> known_{};
  std::vector<std::string> asked_{};
  CredentialStore store_{Helper()};
};

TEST_F(HelpedStoreTest, AHelperSpeaksForItsHostAndTheStoreForAllOthers) {
  ASSERT_TRUE(store_
                  .Add(R"({"credHelpers":{"ecr.example":"ecr"},"credsStore":"pass",
                          "auths":{"plain.example":{"username":"u","password":"plain"},
                                   "ecr.example":{"username":"u","password":"file"}}})")
                  .ok());
  known_ = {{"ecr ecr.example", "fresh"}, {"pass r.example:5000", "kept"}};
  EXPECT_EQ(Password(store_.Find("ecr.example", "a/b")), "fresh");
  EXPECT_EQ(Password(store_.Find("plain.example", "a/b")), "plain");
  EXPECT_EQ(Password(store_.Find("r.example:5000", "a/b")), "kept");
  EXPECT_EQ(Password(store_.Find("unknown.example", "a/b")), "none");
  EXPECT_THAT(asked_, ElementsAre("ecr ecr.example", "pass r.example:5000", "pass unknown.example"))
      << "nothing is run for a registry whose password stands in the file";
}

TEST_F(HelpedStoreTest, WhatAHelperDoesNotKnowIsLookedForFurther) {
  ASSERT_TRUE(
      store_.Add(R"({"credHelpers":{"r":"a"},"auths":{"r/team":{"username":"u","password":"1"}}})")
          .ok());
  ASSERT_TRUE(store_.Add(R"({"auths":{"r":{"username":"u","password":"2"}}})").ok());
  EXPECT_EQ(Password(store_.Find("r", "team/app")), "1");
  EXPECT_EQ(Password(store_.Find("r", "other/app")), "2");
}

TEST_F(HelpedStoreTest, TheHubIsAskedForUnderBothItsNames) {
  ASSERT_TRUE(store_.Add(R"({"credsStore":"pass"})").ok());
  known_ = {{"pass docker.io", "podman's"}};
  EXPECT_EQ(Password(store_.Find("docker.io", "library/a")), "podman's");
  known_["pass https://index.docker.io/v1/"] = "docker's";
  EXPECT_EQ(Password(store_.Find("docker.io", "library/a")), "docker's");
}

TEST_F(HelpedStoreTest, ABrokenHelperIsAnErrorThatNamesTheFile) {
  ASSERT_TRUE(store_.Add(R"({"credsStore":"broken"})", "/c.json").ok());
  ASSERT_TRUE(store_.Add(R"({"auths":{"r":{"username":"u","password":"p"}}})", "/d.json").ok());
  const auto found = store_.Find("r", "a");
  ASSERT_FALSE(found.ok()) << "going on without it would be anonymous, and say so to nobody";
  EXPECT_EQ(found.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(found.error().message(), AllOf(HasSubstr("helper broke"), HasSubstr("'/c.json'")));
}

TEST(CredentialFilesTest, ADirectoryGivesItsJsonFilesByName) {
  const auto directory = *TempDir::Create("/tmp", "credentials-test.");
  for (const char* name : {"b.json", "a.json", "a.json~", "c"}) {
    std::ofstream(directory.path() / name) << "{}";
  }
  const auto files = CredentialFilesIn(directory.path());
  ASSERT_TRUE(files.ok()) << files.error().message();
  EXPECT_THAT(*files, ElementsAre(directory.path() / "a.json", directory.path() / "b.json"));
  EXPECT_EQ(CredentialFilesIn(directory.path() / "absent").error().code(), ErrorCode::kNotFound);
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
