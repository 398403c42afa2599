#include <gmock/gmock.h>

#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

using Command = std::vector<std::string>;

class UsageTest : public CliTest {
 protected:
  // Every command that has none below it, as the helps list them; all but `version`.
  std::vector<Command> Commands(const Command& above = {}) {
    Command ask = above;
    ask.emplace_back("--help");
    const std::string help = cli_.Run(ask).out;
    const size_t list = help.find("\nSubcommands:\n");
    if (list == std::string::npos) return {above};
    std::vector<Command> commands;
    std::istringstream lines(help.substr(help.find('\n', list + 1) + 1));
    for (std::string line; std::getline(lines, line) && !line.empty();) {
      if (line.starts_with("   ") || line.starts_with("  version")) continue;  // a line goes on
      Command command = above;
      command.push_back(line.substr(2, line.find(' ', 2) - 2));
      const auto below = Commands(command);
      commands.insert(commands.end(), below.begin(), below.end());
    }
    return commands;
  }
};

TEST_F(UsageTest, HelpsListEveryCommand) {
  const auto commands = Commands();
  EXPECT_THAT(commands, Contains(Command{"image", "seal"}));
  EXPECT_THAT(commands, Contains(Command{"cache", "gc"}));
  EXPECT_THAT(commands, Contains(Command{"doctor"}));
  EXPECT_GT(commands.size(), 25U);
}

TEST_F(UsageTest, EveryCommandsHelpHasAnExample) {
  for (auto command : Commands()) {
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
  for (auto command : Commands()) {
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
      {{"nonsense"}, "unknown command 'nonsense': use one of image, key, "},
      {{"nonsense", "--help-me"}, "(see 'locket --help')"},
      {{"key", "forge", "x"}, "unknown command 'forge': use one of create, "},
      {{"--loud"}, "unknown option '--loud' (see 'locket --help')"},
      {{"image", "seal", "a", "b", "--loud"}, "--loud"},
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
