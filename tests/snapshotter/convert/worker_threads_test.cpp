#include "snapshotter/convert/worker_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

namespace locket::snapshotter {
namespace {

TEST(WorkerThreadsTest, TasksRunAtTheSameTimeAsFarAsThereAreThreads) {
  WorkerThreads workers(3);
  std::latch all_began(3);
  std::latch done(3);
  for (int i = 0; i < 3; ++i) {
    workers.Enqueue([&] {
      all_began.arrive_and_wait();  // ends only if the others run, too
      done.count_down();
    });
  }
  done.wait();
}

TEST(WorkerThreadsTest, ATaskMayAddTasks) {
  WorkerThreads workers(1);
  std::latch done(2);
  workers.Enqueue([&] {
    workers.Enqueue([&] { done.count_down(); });
    done.count_down();
  });
  done.wait();
}

TEST(WorkerThreadsTest, StopWaitsForTheTaskUnderWayAndNothingRunsAfterwards) {
  std::atomic<int> ran = 0;
  WorkerThreads workers(2);
  std::latch began(1);
  std::latch go_on(1);
  workers.Enqueue([&] {
    began.count_down();
    go_on.wait();
    ++ran;
  });
  began.wait();
  std::jthread releasing([&] { go_on.count_down(); });
  workers.Stop();
  EXPECT_EQ(ran, 1);
  workers.Enqueue([&] { ++ran; });
  workers.Stop();
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace locket::snapshotter
