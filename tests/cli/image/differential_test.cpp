// What locket makes of tars and of stacks of layers, against GNU tar and umoci. The scripts in
// differential/ say how; by hand: LOCKET_DIFFERENTIAL_TARS=20000 cli_tests
// --gtest_filter=DifferentialTest.*
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/subprocess.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;

std::string Count(const char* variable, const char* otherwise) {
  const char* value = ::getenv(variable);
  return value == nullptr ? otherwise : value;
}

void ExpectNoDifference(const std::string& script, const std::string& count,
                        const std::string& outcome) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners and devices";
  const auto run =
      RunCommand({"python3", "-B", LOCKET_SOURCE_DIR "/tests/cli/image/differential/" + script,
                  LOCKET_BINARY_DIR "/bin/locket", count});
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run->exit_status, 0) << run->standard_output << run->standard_error;
  EXPECT_THAT(run->standard_output, HasSubstr(outcome));
}

TEST(DifferentialTest, TarsAreReadAsUmociAndGnuTarReadThem) {
  const std::string count = Count("LOCKET_DIFFERENTIAL_TARS", "700");
  ExpectNoDifference("compare_tars.py", count, " of them damaged: 0 differ");
}

TEST(DifferentialTest, StacksOfLayersAreExtractedAsUmociUnpacksThem) {
  const std::string count = Count("LOCKET_DIFFERENTIAL_STACKS", "150");
  ExpectNoDifference("compare_stacks.py", count, count + " stacks, 0 differ");
}

}  // namespace
}  // namespace locket::cli
