#include <gmock/gmock.h>

#include "base/subprocess.h"
#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CompletionTest : public CliTest {
 protected:
  // What bash offers after these words, one a line.
  std::string Offered(const std::string& words, int current) {
    const std::string script = Write("script", cli_.Run({"completion", "bash"}).out);
    const auto run = RunCommand({"bash", "-c",
                                 "source " + script + "; COMP_WORDS=(" + words +
                                     "); COMP_CWORD=" + std::to_string(current) +
                                     "; _locket; printf '%s\\n' \"${COMPREPLY[@]}\""});
    EXPECT_TRUE(run.ok() && run->exit_status == 0) << run->standard_error;
    EXPECT_EQ(run->standard_error, "");
    return run->standard_output;
  }
};

TEST_F(CompletionTest, BashCompletesCommandsAndOptionsOfWhereItIs) {
  EXPECT_THAT(Offered("locket ''", 1), AllOf(HasSubstr("image\n"), HasSubstr("completion\n")));
  EXPECT_EQ(Offered("locket image s", 2), "seal\nsign\n");
  EXPECT_EQ(Offered("locket --log-level debug key r", 4), "rotate\n");
  EXPECT_EQ(Offered("locket image seal oci:a --encrypt", 4), "--encrypt-layers\n");
  EXPECT_THAT(Offered("locket key create --", 3),
              AllOf(HasSubstr("--help"), Not(HasSubstr("--kek"))));
  EXPECT_EQ(Offered("locket image seal ''", 3), "\n") << "files, from bash itself";
}

TEST_F(CompletionTest, EveryShellUnderstandsItsScript) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const auto script = cli_.Run({"completion", shell});
    ASSERT_EQ(script.exit_code, 0) << script.err;
    EXPECT_THAT(script.out, AllOf(HasSubstr("/image/extract"), HasSubstr("allow-digest")));
    const auto check = RunCommand({shell, "-n", Write("script", script.out)});
    ASSERT_TRUE(check.ok()) << check.error().message();
    EXPECT_EQ(check->exit_status, 0) << shell << ": " << check->standard_error;
  }
}

TEST_F(CompletionTest, OtherShellsAreRefusedByName) {
  const auto other = cli_.Run({"completion", "tcsh"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("SHELL: 'tcsh' must be bash, zsh or fish"));
}

}  // namespace
}  // namespace locket::cli
