#include "cli/progress.h"

#include <gmock/gmock.h>

#include <sstream>

namespace locket::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressTest, WritesOneLineForEachStepWhereThereIsNoTerminal) {
  std::ostringstream err;
  const FakeClock clock;
  Progress progress(err, /*terminal=*/false, clock);
  progress.Start("layer 1", 100);
  progress.Update(50);
  progress.Clear();
  progress.Finish("sound");
  EXPECT_EQ(err.str(), "layer 1: sound\n");
}

TEST(ProgressTest, DrawsABarOnATerminalAtMostTenTimesASecond) {
  std::ostringstream err;
  FakeClock clock;
  clock.Advance(std::chrono::seconds(1));
  Progress progress(err, /*terminal=*/true, clock);
  progress.Start("layer 1", 2048);
  progress.Update(1024);
  EXPECT_THAT(err.str(), HasSubstr("[############............] 1.0 KiB of 2.0 KiB"));
  err.str("");
  clock.Advance(std::chrono::milliseconds(50));
  progress.Update(1500);
  EXPECT_EQ(err.str(), "");
  clock.Advance(std::chrono::milliseconds(50));
  progress.Update(4096);
  EXPECT_THAT(err.str(), HasSubstr("[########################]"));
  progress.Finish("sound");
  EXPECT_THAT(err.str(), HasSubstr("\r\x1b[Klayer 1: sound\n"));
}

TEST(ProgressTest, DrawsNoBarWithoutATotal) {
  std::ostringstream err;
  const FakeClock clock;
  Progress progress(err, /*terminal=*/true, clock);
  progress.Start("seal", 0);
  progress.Update(10);
  EXPECT_THAT(err.str(), HasSubstr("seal 10 B"));
  EXPECT_THAT(err.str(), Not(HasSubstr("[#")));
}

TEST(HumanBytesTest, ChoosesTheUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(uint64_t{3} << 30), "3.0 GiB");
  EXPECT_EQ(HumanBytes(uint64_t{5000} << 40), "5000.0 TiB");
}

}  // namespace
}  // namespace locket::cli
