#include <gmock/gmock.h>

#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using UsageTest = CliTest;

const std::vector<std::vector<std::string>> kCommands = {{"image", "seal"},
                                                         {"image", "inspect"},
                                                         {"image", "verify"},
                                                         {"image", "extract"},
                                                         {"image", "diff"},
                                                         {"image", "measure"},
                                                         {"image", "copy"},
                                                         {"key", "wrap"},
                                                         {"key", "rotate"},
                                                         {"image", "sign"},
                                                         {"key", "create"},
                                                         {"broker", "set-resource"},
                                                         {"broker", "delete-resource"},
                                                         {"broker", "list"},
                                                         {"broker", "allow"},
                                                         {"broker", "deny"},
                                                         {"initdata", "create"},
                                                         {"initdata", "digest"},
                                                         {"initdata", "annotation"},
                                                         {"pod", "run"},
                                                         {"pod", "logs"},
                                                         {"pod", "stop"},
                                                         {"pod", "ls"},
                                                         {"completion"},
                                                         {"doctor"}};

TEST_F(UsageTest, EveryCommandsHelpHasAnExample) {
  for (auto command : kCommands) {
    std::string name = "locket";
    for (const auto& word : command) name += " " + word;
    command.emplace_back("--help");
    const auto help = cli_.Run(command);
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_THAT(help.out, AllOf(HasSubstr("Example"), HasSubstr("\n  " + name))) << name;
    EXPECT_EQ(help.err, "") << name;
  }
}

TEST_F(UsageTest, ManualNamesEveryCommandAndOption) {
  const std::string manual = Read(std::string(LOCKET_SOURCE_DIR) + "/docs/cli.md");
  for (auto command : kCommands) {
    EXPECT_THAT(manual, HasSubstr(command.back()));
    command.emplace_back("--help");
    std::istringstream words(cli_.Run(command).out);
    for (std::string word; words >> word;) {
      if (!word.starts_with("--") || word == "--help" || word.size() < 4) continue;
      const std::string option = word.substr(0, word.find_first_of(",.)'`"));
      EXPECT_THAT(manual, HasSubstr(option)) << command.front() << " " << option;
    }
  }
}

TEST_F(UsageTest, VersionIsPrinted) {
  EXPECT_EQ(cli_.Run({"version"}).out, "locket " LOCKET_VERSION "\n");
  EXPECT_EQ(cli_.Run({"--version"}).out, "locket " LOCKET_VERSION "\n");
}

TEST_F(UsageTest, WrongUsageExitsTwoAndPointsToTheHelp) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "(see 'locket --help')"},
      {{"image"}, "(see 'locket image --help')"},
      {{"nonsense"}, "(see 'locket --help')"},
      {{"pod", "logs"}, "(see 'locket pod logs --help')"},
      {{"version", "--", "x"}, "only 'pod run' and 'pod exec' take '--'"},
      {{"--log-level", "loud", "version"}, "--log-level"},
      {{"key", "create"}, "FILE is required"}};
  for (const auto& [arguments, reason] : cases) {
    const auto run = cli_.Run(arguments);
    EXPECT_EQ(run.exit_code, 2) << reason;
    EXPECT_THAT(run.err, AllOf(::testing::StartsWith("locket: "), HasSubstr(reason)));
    EXPECT_EQ(run.out, "");
  }
}

}  // namespace
}  // namespace locket::cli
