#include "cli/result_text.h"

#include <gmock/gmock.h>

#include "base/subprocess.h"
#include "tests/cli/image/image_fixture.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PrintableTest, ShowsControlCharactersInsteadOfObeyingThem) {
  EXPECT_EQ(Printable("two\nlines \x1b[2J\x7f"), "two\\x0alines \\x1b[2J\\x7f");
  EXPECT_EQ(Printable("caf\u00e9 'x'"), "caf\u00e9 'x'");
}

TEST(JsonTextTest, IsValidWhateverBytesANameHas) {
  const json object{{"name", "a\xff\nb"}};
  EXPECT_EQ(json::parse(JsonText(object))["name"], "a\ufffd\nb");
  EXPECT_EQ(JsonText(object).back(), '\n');
}

class ResultTextTest : public ImageTest {
 protected:
  static CommandOutput Shell(const std::string& line) {
    auto run = RunCommand({"sh", "-c", line});
    EXPECT_TRUE(run.ok());
    return *std::move(run);
  }
};

TEST_F(ResultTextTest, AFailureIsOneLineWhateverItIsAbout) {
  const auto run = cli_.Run({"image", "inspect", "oci:" + Path("no\n\x1b[2Jwhere")});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(std::ranges::count(run.err, '\n'), 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("no\\x0a\\x1b[2Jwhere"), Not(HasSubstr("\x1b"))));
}

TEST_F(ResultTextTest, WhatAnImageSaysDoesNotSteerTheTerminal) {
  RunTool({"cp", "-r", LayoutPath(), Path("odd")});
  RunTool({"umoci", "config", "--image", Path("odd") + ":app", "--config.cmd", "\x1b]0;title\x07"});
  const auto run = cli_.Run({"image", "inspect", "oci:" + Path("odd") + ":app"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("\\x1b]0;title\\x07"), Not(HasSubstr("\x1b"))));
}

TEST_F(ResultTextTest, JsonIsValidForNamesThatAreNotUtf8) {
  const std::string copied = "oci:" + Path("copy-\xff") + ":x";
  const std::vector<std::vector<std::string>> commands = {
      {"copy", Source("app"), copied}, {"inspect", copied}, {"extract", copied, Path("tree-\xff")}};
  for (auto command : commands) {
    command.insert(command.begin(), "image");
    command.emplace_back("--json");
    if (command[1] == "extract") command.emplace_back("--rootless");
    const auto run = cli_.Run(command);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(json::accept(run.out)) << run.out;
  }
}

TEST_F(ResultTextTest, AResultThatCannotBeWrittenIsAFailure) {
  const auto run = Shell(LOCKET_BINARY_DIR "/bin/locket version > /dev/full");
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_EQ(run.standard_error,
            "locket: write to standard output: the disk is full, or its reader has ended\n");
}

TEST_F(ResultTextTest, ATemporaryDirectoryThatIsNotThereConcernsThoseWhoNeedOne) {
  const std::string locket = "TMPDIR=/no/where " LOCKET_BINARY_DIR "/bin/locket ";
  EXPECT_EQ(Shell(locket + "version").exit_status, 0);
  const auto seal = Shell(locket + "image seal " + Source("app") + " oci:" + Path("sealed") +
                          ":app --encrypt-layers none");
  EXPECT_EQ(seal.exit_status, 1);
  EXPECT_THAT(seal.standard_error, HasSubstr("create '/no/where/locket-seal-"));
}

}  // namespace
}  // namespace locket::cli
