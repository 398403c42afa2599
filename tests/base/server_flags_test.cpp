#include "base/server_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace locket {
namespace {

using ::testing::HasSubstr;

class ServerFlagsTest : public ::testing::Test {
 protected:
  ServerFlagsTest() {
    log_.AddTo(app_);
    app_.set_version_flag("--version", "some-server 1.2");
  }
  Result<std::optional<std::string>> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "some-server");
    return ParseArguments(app_, static_cast<int>(arguments.size()), arguments.data());
  }

  CLI::App app_{"Does something.", "some-server"};
  LogFlags log_;
};

TEST_F(ServerFlagsTest, HelpAndVersionAreTextsToPrint) {
  EXPECT_THAT(**Parse({"--help"}), HasSubstr("--log-level"));
  EXPECT_EQ(**Parse({"--version"}), "some-server 1.2\n");
}

TEST_F(ServerFlagsTest, AWrongCommandLineNamesTheHelp) {
  const auto parsed = Parse({"--nonsense"});
  EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(parsed.error().message(), HasSubstr("(see --help)"));
}

TEST_F(ServerFlagsTest, GivenLogFlagsWinAndOthersLeaveWhatIsThere) {
  ASSERT_TRUE(Parse({"--log-format", "json"}).ok());
  log::Level level = log::Level::kWarning;
  log::Format format = log::Format::kText;
  ASSERT_TRUE(log_.Apply(&level, &format).ok());
  EXPECT_EQ(level, log::Level::kWarning);
  EXPECT_EQ(format, log::Format::kJson);
  ASSERT_TRUE(Parse({"--log-level", "loud"}).ok());
  EXPECT_FALSE(log_.Apply(&level, &format).ok());
}

}  // namespace
}  // namespace locket
