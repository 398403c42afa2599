#include "registry/credential_helper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::registry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Helpers as shell scripts in a directory of their own.
class CredentialHelperTest : public ::testing::Test {
 protected:
  void Install(const std::string& script) {
    const auto path = directory_.path() / "docker-credential-test";
    std::ofstream(path) << "#!/bin/sh\n" << script;
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  }
  Result<std::optional<Credentials>> Ask(const std::string& name = "test") {
    return AskCredentialHelper(name, "r.example:5000",
                               {.directory = directory_.path(), .timeout = timeout_});
  }
  std::string Refusal(const std::string& name = "test") {
    const auto answer = Ask(name);
    if (answer.ok()) return "no error";
    EXPECT_EQ(answer.error().code(), ErrorCode::kFailedPrecondition) << "must not be tried again";
    return answer.error().message();
  }

  TempDir directory_ = *TempDir::Create("/tmp", "credential-helper-test.");
  std::chrono::milliseconds timeout_ = std::chrono::seconds(30);
};

TEST_F(CredentialHelperTest, IsGivenTheServerOnStandardInput) {
  Install(R"sh([ "$*" = get ] || exit 1
printf '{"ServerURL":"x","Username":"u","Secret":"%s"}' "pw of $(cat)")sh");
  const auto answer = Ask();
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->username, "u");
  EXPECT_EQ(AsText((*answer)->password.Reveal()), "pw of r.example:5000");
  EXPECT_FALSE((*answer)->is_identity_token());
}

TEST_F(CredentialHelperTest, GivesIdentityTokensAsDockerDoes) {
  Install(R"(echo '{"Username":"<token>","Secret":"refresh"}')");
  EXPECT_TRUE((*Ask())->is_identity_token());
}

TEST_F(CredentialHelperTest, NotKnowingIsNoError) {
  Install("echo 'credentials not found in native keychain'; exit 1");
  ASSERT_TRUE(Ask().ok()) << Ask().error().message();
  EXPECT_FALSE(Ask()->has_value());
  Install(R"(echo '{"ServerURL":"r","Username":"","Secret":""}')");
  EXPECT_FALSE(Ask()->has_value());
}

TEST_F(CredentialHelperTest, AFailureIsToldInTheHelpersOwnWords) {
  Install("echo 'the keyring is locked'; exit 7");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'docker-credential-test' failed with status 7"),
                               HasSubstr("the keyring is locked")));
}

TEST_F(CredentialHelperTest, WhatMayHoldAPasswordIsNeverRepeated) {
  Install(R"(echo '{"Username":"u","Secret":"s3cret"}'; exit 1)");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("status 1"), Not(HasSubstr("s3cret"))));
  Install(R"(echo '{"Username":"","Secret":"s3cret"}')");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("no 'Username'"), Not(HasSubstr("s3cret"))));
  Install("echo s3cret");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("not a JSON object"), Not(HasSubstr("s3cret"))));
}

TEST_F(CredentialHelperTest, OneThatNeverEndsIsEnded) {
  Install("exec sleep 1000");
  timeout_ = std::chrono::milliseconds(50);
  EXPECT_THAT(Refusal(), HasSubstr("no answer in time"));
}

TEST_F(CredentialHelperTest, EndlessOutputIsCutOff) {
  Install("exec yes");
  EXPECT_THAT(Refusal(), HasSubstr("printed too much"));
}

TEST_F(CredentialHelperTest, AnAbsentOneIsSaidToBeAbsent) {
  EXPECT_THAT(Refusal("nowhere"), HasSubstr("'docker-credential-nowhere' is not installed"));
}

TEST_F(CredentialHelperTest, ANameIsNoPath) {
  for (const std::string name : {"", "../x", "a/b", "a b", "a\nb"}) {
    EXPECT_THAT(Refusal(name), HasSubstr("a name that no program can have")) << name;
  }
  EXPECT_THAT(Refusal(std::string(1000, 'a')), HasSubstr("a name that no program can have"));
}

}  // namespace
}  // namespace locket::registry
