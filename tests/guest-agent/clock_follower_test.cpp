#include "guest-agent/clock_follower.h"

#include <gmock/gmock.h>

#include <future>
#include <optional>

namespace locket::guest_agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// A host's and a guest's clock, and what was done to the guest's.
struct FakeClocks {
  Clocks Get() {
    return {.host = [this]() -> Result<seconds> {
              if (fail == "host") return Error(ErrorCode::kInternal, "no clock");
              return std::chrono::floor<seconds>(host);
            },
            .guest = [this] { return guest; },
            .set = [this](nanoseconds to) -> Status {
              if (fail == "set") return Error(ErrorCode::kInternal, "not set");
              set = to;
              return Ok();
            },
            .slew = [this](nanoseconds by) -> Status {
              if (fail == "slew") return Error(ErrorCode::kInternal, "not slewed");
              slewed = by;
              return Ok();
            }};
  }
  nanoseconds host = seconds(1000) + milliseconds(700);
  nanoseconds guest = host;
  std::optional<nanoseconds> set{};
  std::optional<nanoseconds> slewed{};
  std::string fail{};
};

TEST(ClockFollowerTest, AClockThatStoodStillIsSetForward) {
  FakeClocks clocks;
  clocks.guest = clocks.host - seconds(100);
  ASSERT_TRUE(FollowClock(clocks.Get()).ok());
  EXPECT_EQ(clocks.set, seconds(1000) + milliseconds(500));
  EXPECT_FALSE(clocks.slewed);
}

TEST(ClockFollowerTest, WhatARealTimeClockCannotTellIsLeftAlone) {
  for (const auto apart : {milliseconds(-1700), milliseconds(0), milliseconds(1700)}) {
    FakeClocks clocks;
    clocks.guest = clocks.host + apart;
    ASSERT_TRUE(FollowClock(clocks.Get()).ok());
    EXPECT_FALSE(clocks.set) << apart.count();
    EXPECT_FALSE(clocks.slewed) << apart.count();
  }
}

TEST(ClockFollowerTest, AClockThatIsAheadIsSlowedDownAndNeverSetBack) {
  FakeClocks clocks;
  clocks.guest = clocks.host + seconds(10);
  ASSERT_TRUE(FollowClock(clocks.Get()).ok());
  EXPECT_EQ(clocks.slewed, -seconds(10) - milliseconds(200));
  clocks.guest = clocks.host + seconds(1000000);
  ASSERT_TRUE(FollowClock(clocks.Get()).ok());
  EXPECT_EQ(clocks.slewed, -seconds(2000)) << "adjtime(3) takes no more at a time";
  EXPECT_FALSE(clocks.set);
}

TEST(ClockFollowerTest, EveryFailureIsTold) {
  for (const auto& [fail, apart] : std::vector<std::pair<std::string, seconds>>{
           {"host", seconds(0)}, {"set", seconds(-9)}, {"slew", seconds(9)}}) {
    FakeClocks clocks;
    clocks.guest += apart;
    clocks.fail = fail;
    EXPECT_FALSE(FollowClock(clocks.Get()).ok()) << fail;
  }
}

TEST(ClockFollowerTest, GoesOnAfterFailuresAndTellsTheFirstOnly) {
  FakeClocks clocks;
  Clocks seams = clocks.Get();
  std::promise<void> sixth;
  int reads = 0;
  seams.host = [&]() -> Result<seconds> {
    if (++reads == 6) sixth.set_value();
    if (reads < 6) return Error(ErrorCode::kInternal, "read the real-time clock: busy");
    return seconds(1000);
  };
  ::testing::internal::CaptureStderr();
  {
    const ClockFollower follower(seams, milliseconds(0));
    sixth.get_future().wait();
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("trying again"));
  EXPECT_EQ(text.find("busy"), text.rfind("busy")) << text;
}

TEST(ClockFollowerTest, GivesUpWhenThereIsNoRealTimeClock) {
  FakeClocks clocks;
  Clocks seams = clocks.Get();
  std::promise<void> ended;
  seams.host = [&]() -> Result<seconds> {
    ended.set_value_at_thread_exit();  // throws the second time
    return Error(ErrorCode::kNotFound, "open '/dev/rtc0': No such file or directory");
  };
  const ClockFollower follower(seams, milliseconds(0));
  ended.get_future().wait();
}

TEST(ClockFollowerTest, ComparesOnItsOwnAndEndsWhenItIsDestroyed) {
  FakeClocks clocks;
  clocks.guest = clocks.host - seconds(100);
  std::promise<void> set;
  Clocks seams = clocks.Get();
  seams.set = [&](nanoseconds to) {
    clocks.guest = to;
    set.set_value();
    return Ok();
  };
  const ClockFollower follower(seams);
  set.get_future().wait();
}

}  // namespace
}  // namespace locket::guest_agent
