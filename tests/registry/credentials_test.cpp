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
  EXPECT_TRUE(store.Check().ok());
  EXPECT_EQ(Password(store.Find("r", "a")), "1");
}

TEST(CredentialsTest, AFileThatCannotBeReadMattersToThoseWhoGetAsFar) {
  const auto directory = *TempDir::Create("/tmp", "credentials-test.");
  const auto good = directory.path() / "good.json";
  const auto broken = directory.path() / "broken.json";
  std::ofstream(good) << R"({"auths":{"r":{"username":"u","password":"1"}}})";
  std::ofstream(broken) << "{";
  const auto store = CredentialStore::Load({good, broken});
  EXPECT_EQ(Password(store.Find("r", "a")), "1");
  EXPECT_THAT(store.Find("other", "a").error().message(),
              AllOf(HasSubstr("broken.json"), HasSubstr("not JSON")));
  EXPECT_THAT(store.Check().error().message(), HasSubstr("broken.json"));
}

// What people's files hold beside the entry that counts.
TEST(CredentialsTest, ABrokenEntryMattersToItsOwnRegistryOnly) {
  for (const char* broken : {R"({"auth":"!!"})", R"({"auth":"dXNlcg=="})", "1", "[]", "\"x\""}) {
    CredentialStore store;
    ASSERT_TRUE(store
                    .Add(R"({"auths":{"bad.example":)" + std::string(broken) +
                             R"(,"r":{"auth":"dTpw"},"n":null,"https://":{"auth":"!"}},)" +
                             R"("credHelpers":{"h.example":7}})",
                         "/c.json")
                    .ok())
        << broken;
    EXPECT_EQ(Password(store.Find("r", "a")), "p");
    EXPECT_EQ(Password(store.Find("n", "a")), "none");
    EXPECT_THAT(store.Find("bad.example", "a").error().message(),
                AllOf(HasSubstr("/c.json"), HasSubstr("auths of 'bad.example'")));
    EXPECT_THAT(store.Find("h.example", "a").error().message(), HasSubstr("not text"));
  }
}

TEST(CredentialsTest, ReadsWhatToolsWriteAsBase64) {
  const std::string expected(90, 'p');
  const std::string whole = Base64Encode(AsBytes("us:" + expected));
  const std::pair<std::string, std::string> cases[] = {
      {whole.substr(0, 76) + "\\n" + whole.substr(76) + "\\n", expected},
      {" " + whole + "\\r\\n", expected},
      {Base64Encode(AsBytes(std::string_view("u:pw\0", 5))), "pw"},
      {Base64Encode(AsBytes(std::string_view("u:pw\0\0\0", 7))), "pw"},
      {"dTpwYQ", "pa"},
      {"dTpwYQ=", "pa"},
      {Base64Encode(AsBytes("u:")), ""},
      {Base64Encode(AsBytes("u:a:b")), "a:b"}};
  for (const auto& [auth, password] : cases) {
    CredentialStore store;
    ASSERT_TRUE(store.Add(R"({"auths":{"r":{"auth":")" + auth + R"("}}})").ok()) << auth;
    EXPECT_EQ(Password(store.Find("r", "a")), password) << auth;
  }
}

TEST(CredentialsTest, FindsARegistryUnderEachOfItsNames) {
  struct Case {
    const char* key;
    const char* host;
    const char* repository;
    const char* found;
  };
  for (const auto& [key, host, repository, found] :
       {Case{"https://r.example/v1/", "r.example", "a", "p"},
        Case{"https://r.example/v2/", "r.example", "a", "p"},
        Case{"http://r.example:5000", "r.example:5000", "a", "p"},
        Case{"https://r.example/some/where", "r.example", "a", "p"},
        Case{"r.example/", "r.example", "a", "p"},
        Case{"r.example/team", "r.example", "team/a", "p"},
        Case{"r.example/team", "r.example", "teams/a", "none"},
        Case{"r.example/team/a", "r.example", "team/a", "p"},
        Case{"[::1]:5000", "[::1]:5000", "a", "p"},
        Case{"https://[::1]:5000/v1/", "[::1]:5000", "a", "p"},
        Case{"index.docker.io", "docker.io", "library/a", "p"},
        Case{"https://index.docker.io/v1/", "docker.io", "library/a", "p"},
        Case{"registry-1.docker.io", "docker.io", "library/a", "p"},
        Case{"docker.io", "index.docker.io", "library/a", "p"},
        Case{"docker.io/library", "docker.io", "library/a", "p"},
        Case{"docker.io/library", "docker.io", "other/a", "none"},
        Case{"r.example", "r.example:5000", "a", "none"},
        Case{"r.example:5000", "r.example", "a", "none"}}) {
    CredentialStore store;
    ASSERT_TRUE(store.Add(R"({"auths":{")" + std::string(key) + R"(":{"auth":"dTpw"}}})").ok());
    EXPECT_EQ(Password(store.Find(host, repository)), found) << key << " for " << host;
  }
}

TEST(CredentialsTest, TheKeyWrittenAsItIsLookedForWins) {
  CredentialStore store;
  ASSERT_TRUE(store
                  .Add(R"({"auths":{"http://r":{"username":"u","password":"1"},
                                    "r":{"username":"u","password":"2"},
                                    "a":{"username":"u","password":"3"},
                                    "https://a/v1/":{"username":"u","password":"4"}}})")
                  .ok());
  EXPECT_EQ(Password(store.Find("r", "x")), "2");
  EXPECT_EQ(Password(store.Find("a", "x")), "3");
}

TEST(CredentialsTest, RefusesWithTheReason) {
  CredentialStore store;
  EXPECT_THAT(store.Add("[").error().message(), HasSubstr("not JSON"));
  EXPECT_THAT(store.Add("[]").error().message(), HasSubstr("not a JSON object"));
  EXPECT_THAT(store.Add(R"({"auths":{},"auths":{}})").error().message(),
              HasSubstr("'auths' twice"));
  EXPECT_THAT(
      store.Add(R"({"x":)" + std::string(40, '[') + std::string(40, ']') + "}").error().message(),
      HasSubstr("nested deeper than 32"));
  EXPECT_THAT(store.Add(R"({"auths":1})").error().message(), HasSubstr("'auths' is not an object"));
  EXPECT_THAT(store.Add(R"({"credHelpers":[]})").error().message(),
              HasSubstr("'credHelpers' is not an object"));
  EXPECT_THAT(store.Add(std::string((1U << 20) + 1, ' ')).error().message(),
              HasSubstr("larger than 1 MiB"));
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
  EXPECT_EQ(ParseChallenges("Negotiate YIIZ==, Basic realm=\"x\"").back(),
            (Challenge{.scheme = "basic", .values = {{"realm", "x"}}}));
  EXPECT_EQ(
      ParseChallenges("bearer realm=https://a/t?x=y,service=s , scope=\"a b\"").back(),
      (Challenge{.scheme = "bearer",
                 .values = {{"realm", "https://a/t?x=y"}, {"service", "s"}, {"scope", "a b"}}}));
  EXPECT_THAT(ParseChallenges(""), IsEmpty());
  EXPECT_THAT(ParseChallenges("=x"), IsEmpty());
  EXPECT_EQ(ParseChallenges("Bearer realm=\"never ends").size(), 1U);
}

TEST(TokenResponseTest, OnlyTextFitForAHeader) {
  EXPECT_EQ(*ParseTokenResponse(R"({"token":"t","access_token":"a"})"), "t");
  EXPECT_EQ(*ParseTokenResponse(R"({"access_token":"a"})"), "a");
  for (const char* bad : {"", "[]", "{}", R"({"token":""})", R"({"token":"a\r\nb"})",
                          R"({"token":1})", R"({"token":"a","token":"b"})"}) {
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
