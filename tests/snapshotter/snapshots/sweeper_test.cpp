#include "snapshotter/snapshots/sweeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <thread>
#include <vector>

namespace locket::snapshotter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SweeperTest, SweepsInTheOrderOfAddingAndDrainWaitsForIt) {
  std::vector<uint64_t> swept;  // read when the thread has nothing to do
  Sweeper sweeper([&swept](uint64_t id) { swept.push_back(id); });
  sweeper.Drain();
  for (const uint64_t id : {3U, 1U, 2U}) sweeper.Add(id);
  sweeper.Drain();
  EXPECT_THAT(swept, ElementsAre(3, 1, 2));
  EXPECT_THAT(sweeper.pending(), IsEmpty());
}

TEST(SweeperTest, AddDoesNotWaitAndWhatIsUnderWayIsPending) {
  std::latch begun(1);
  std::latch go_on(1);
  Sweeper sweeper([&](uint64_t id) {
    if (id != 1) return;
    begun.count_down();
    go_on.wait();
  });
  sweeper.Add(1);
  begun.wait();
  sweeper.Add(2);
  EXPECT_THAT(sweeper.pending(), ElementsAre(1, 2));
  go_on.count_down();
  sweeper.Drain();
  EXPECT_THAT(sweeper.pending(), IsEmpty());
}

TEST(SweeperTest, TheDestructorWaitsForTheOneUnderWay) {
  std::latch begun(1);
  std::latch go_on(1);
  bool swept = false;
  auto sweeper = std::make_unique<Sweeper>([&](uint64_t) {
    begun.count_down();
    go_on.wait();
    swept = true;
  });
  sweeper->Add(1);
  begun.wait();
  std::jthread ender([&sweeper] { sweeper.reset(); });
  go_on.count_down();
  ender.join();
  EXPECT_TRUE(swept);
}

}  // namespace
}  // namespace locket::snapshotter
