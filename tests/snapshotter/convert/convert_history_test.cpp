#include "snapshotter/convert/convert_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::snapshotter {
namespace {

using std::chrono::milliseconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Error kAway(ErrorCode::kUnavailable, "away");
const Error kCancelled(ErrorCode::kCancelled, "given up");

TEST(ConvertHistoryTest, CountsWhatBecameOfLayersAndImages) {
  FakeClock clock;
  ConvertHistory history(clock);
  const auto began = clock.Steady();
  for (int i = 0; i < 3; ++i) history.LayerBegan();
  EXPECT_EQ(history.figures().layers_running, 3U);
  clock.Advance(milliseconds(5));
  history.LayerWasConverted(1000);
  history.LayerEnded(Ok(), began);
  history.LayerEnded(kAway, began);
  history.LayerEnded(kCancelled, began);
  history.LayerWasKnown();
  history.ImageWasConverted();
  history.ImageFailed("r/i:1", kAway);
  history.ImageFailed("r/i:2", kCancelled);
  const ConvertFigures figures = history.figures();
  EXPECT_EQ(figures.layers_running, 0U);
  EXPECT_EQ(figures.layers_converted, 1U);
  EXPECT_EQ(figures.layers_known, 1U);
  EXPECT_EQ(figures.layers_failed, 1U) << "a cancelled one did not fail";
  EXPECT_EQ(figures.images_converted, 1U);
  EXPECT_EQ(figures.images_failed, 1U);
  EXPECT_EQ(figures.sealed_bytes, 1000U);
  EXPECT_EQ(figures.busy_ms, milliseconds(15));
}

TEST(ConvertHistoryTest, RemembersTheLastFailureOfEachImageAndForgetsWithSuccess) {
  FakeClock clock;
  ConvertHistory history(clock);
  history.Remember("r/i:1", kAway);
  history.Remember("r/i:2", kAway);
  history.Remember("r/i:1", Error(ErrorCode::kDataLoss, "wrong"));
  history.Remember("r/i:2", kCancelled);
  auto failures = history.failures();
  ASSERT_THAT(failures, SizeIs(2));
  EXPECT_EQ(failures[0].image, "r/i:1") << "the latest first";
  EXPECT_EQ(failures[0].problem, "wrong");
  EXPECT_EQ(failures[1].problem, "away") << "a cancelled conversion goes on";
  history.Forget("r/i:1");
  history.Forget("r/i:2");
  EXPECT_THAT(history.failures(), IsEmpty());
}

TEST(ConvertHistoryTest, KeepsTheLatestSixteen) {
  FakeClock clock;
  ConvertHistory history(clock);
  for (int i = 0; i < 20; ++i) history.Remember("r/i:" + std::to_string(i), kAway);
  const auto failures = history.failures();
  ASSERT_THAT(failures, SizeIs(16));
  EXPECT_EQ(failures.front().image, "r/i:19");
  EXPECT_EQ(failures.back().image, "r/i:4");
}

}  // namespace
}  // namespace locket::snapshotter
