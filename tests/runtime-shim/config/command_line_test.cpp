#include "runtime-shim/config/command_line.h"

#include <gmock/gmock.h>

namespace locket::runtime_shim {
namespace {

using ::testing::HasSubstr;

TEST(CommandLineTest, ReadsWhatContainerdWrites) {
  const auto line =
      ParseCommandLine({"-namespace", "k8s.io", "-address", "/run/c.sock", "-publish-binary",
                        "/usr/bin/containerd", "-id", "0ab", "-debug", "start"});
  ASSERT_TRUE(line.ok()) << line.error().message();
  EXPECT_EQ(*line, (CommandLine{.action = Action::kStart,
                                .namespace_name = "k8s.io",
                                .id = "0ab",
                                .containerd_address = "/run/c.sock",
                                .publish_binary = "/usr/bin/containerd",
                                .debug = true}));
}

TEST(CommandLineTest, ReadsGoStyleFlags) {
  const auto line =
      ParseCommandLine({"--namespace=a", "-id=b", "--bundle=/b", "-debug=false", "delete"});
  ASSERT_TRUE(line.ok()) << line.error().message();
  EXPECT_EQ(line->action, Action::kDelete);
  EXPECT_EQ(line->bundle, "/b");
  EXPECT_FALSE(line->debug);
}

TEST(CommandLineTest, HelpAndVersionNeedNothingElse) {
  for (const char* flag : {"-h", "--help"}) {
    EXPECT_EQ(ParseCommandLine({flag})->action, Action::kHelp);
  }
  for (const char* flag : {"-v", "--version"}) {
    EXPECT_EQ(ParseCommandLine({flag})->action, Action::kVersion);
  }
  EXPECT_EQ(ParseCommandLine({"-info"})->action, Action::kInfo);
}

TEST(CommandLineTest, StartMayLeaveItsIdentityToTheMessage) {
  const auto line = ParseCommandLine({"start"});
  ASSERT_TRUE(line.ok()) << line.error().message();
  EXPECT_EQ(line->id, "");
}

TEST(CommandLineTest, RefusesWhatItDoesNotKnow) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"-namespace", "a", "-id", "b"}, "no action"},
      {{"-namespace", "a", "-id", "b", "stop"}, "unknown action 'stop'"},
      {{"-namespace", "a", "-id", "b", "start", "start"}, "more than one action"},
      {{"-wrong", "a", "start"}, "unknown flag '-wrong'"},
      {{"start", "-id"}, "flag '-id' has no value"},
      {{"-namespace", "a", "-id", "../b", "start"}, "-id '../b' is not an identifier"},
      {{"-namespace", "", "-id", "b", "start"}, "-namespace '' is not an identifier"},
      {{"delete"}, "-namespace '' is not an identifier"},
      {{"-namespace", "a", "-id", "b", "serve"}, "serve needs -config"},
  };
  for (const auto& [arguments, reason] : cases) {
    const auto line = ParseCommandLine(arguments);
    ASSERT_FALSE(line.ok()) << reason;
    EXPECT_THAT(line.error().message(), HasSubstr(reason));
  }
}

TEST(CommandLineTest, IdentifiersAreContainerds) {
  for (const char* good : {"a", "A-b.c_d", "0123abc"}) EXPECT_TRUE(IsIdentifier(good)) << good;
  for (const char* bad : {"", ".", "..", "a/b", "-a", "a-", "a..b", "a b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsIdentifier(bad)) << bad;
  }
  EXPECT_TRUE(IsIdentifier(std::string(76, 'a')));
  EXPECT_FALSE(IsIdentifier(std::string(77, 'a')));
}

}  // namespace
}  // namespace locket::runtime_shim
