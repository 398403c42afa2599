#include <gmock/gmock.h>

#include <algorithm>

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

  // The long options that a help lists, but for --help itself.
  static std::vector<std::string> Options(const std::string& help) {
    std::vector<std::string> options;
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("  -")) continue;
      const size_t name = line.find("--");
      const std::string option = line.substr(name, line.find(' ', name) - name);
      if (option != "--help") options.push_back(option);
    }
    return options;
  }

  // The long options that the lists of a section explain.
  static std::vector<std::string> Explained(const std::string& section) {
    std::vector<std::string> options;
    std::istringstream lines(section);
    for (std::string line; std::getline(lines, line);) {
      const size_t name = line.find("`--");
      if (!line.starts_with("- `-") || name == std::string::npos) continue;
      options.push_back(line.substr(name + 1, line.find_first_of(" `", name + 1) - name - 1));
    }
    return options;
  }

  // The text below a heading that begins with `heading`, to the next one of the same level.
  static std::string Section(const std::string& manual, const std::string& heading) {
    for (const char* end : {" ", "\n"}) {
      const size_t begin = manual.find("\n" + heading + end);
      if (begin == std::string::npos) continue;
      const std::string level = heading.substr(0, heading.find(' ') + 1);
      const size_t text = begin + 1 + heading.size();
      return manual.substr(
          text, std::min(manual.find("\n" + level, text), manual.find("\n## ", text)) - text);
    }
    return "";
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

TEST_F(UsageTest, EveryHelpFitsATerminal) {
  for (auto command : Commands()) {
    command.emplace_back("--help");
    std::istringstream lines(cli_.Run(command).out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
}

// Each command has a section of its own, which explains exactly the options that its help has.
// Options that several commands share are explained once, above them.
TEST_F(UsageTest, ManualExplainsEveryCommandAndOption) {
  const std::string manual = Read(std::string(LOCKET_SOURCE_DIR) + "/docs/cli.md");
  const std::string images = Section(manual, "## Image names and registries");
  for (auto command : Commands()) {
    const bool alone = command.size() == 1;
    const std::string group = Section(manual, "## locket " + command.front());
    const std::string own =
        alone ? group : Section(manual, "### locket " + command.front() + " " + command.back());
    ASSERT_NE(own, "") << command.back();
    command.emplace_back("--help");
    const std::string help = cli_.Run(command).out;
    for (const std::string& option : Options(help)) {
      const std::string term = "`" + option;
      const bool explained =
          own.find(term) != std::string::npos ||
          group.substr(0, group.find("\n### ")).find(term) != std::string::npos ||
          images.find("\n- " + term) != std::string::npos;
      EXPECT_TRUE(explained) << command.front() << " " << command[1] << " " << option;
    }
    for (const std::string& option : Explained(own)) {
      EXPECT_THAT(Options(help), Contains(option)) << "which " << command[1] << " does not have";
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
