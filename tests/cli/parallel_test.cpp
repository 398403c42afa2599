#include "cli/parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

namespace locket::cli {
namespace {

Error Broken(const std::string& what) { return {ErrorCode::kInternal, what}; }

// Lets threads through only when `count` have come.
class Gate {
 public:
  explicit Gate(int count) : missing_(count) {}
  void Pass() {
    std::unique_lock lock(mutex_);
    if (--missing_ <= 0) all_here_.notify_all();
    all_here_.wait(lock, [this] { return missing_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  int missing_;
};

TEST(ForEachInParallelTest, CallsEachOnceOnAsManyThreadsAsAllowed) {
  Gate gate(3);  // opens only if three calls run at once
  std::mutex mutex;
  std::multiset<size_t> seen;
  const auto done = ForEachInParallel(30, 3, [&](size_t i) {
    if (i < 3) gate.Pass();
    const std::lock_guard lock(mutex);
    seen.insert(i);
    return Ok();
  });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(seen.size(), 30U);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(seen.count(i), 1U);
  EXPECT_TRUE(ForEachInParallel(0, 4, [](size_t) { return Status(Broken("called")); }).ok());
}

TEST(ForEachInParallelTest, FirstErrorEndsItAndIsReturned) {
  std::atomic<int> calls = 0;
  const auto done = ForEachInParallel(1000, 1, [&](size_t i) -> Status {
    ++calls;
    return i == 4 ? Status(Broken("number 4")) : Ok();
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().message(), "number 4");
  EXPECT_EQ(calls, 5);
}

TEST(BackgroundTest, JobsRunBesideTheirMakerAndErrorsComeBack) {
  Background jobs(1);
  Gate gate(2);
  ASSERT_TRUE(jobs.Start([&] {
                    gate.Pass();
                    return Ok();
                  })
                  .ok());
  gate.Pass();  // would hang if Start had waited for the job
  EXPECT_TRUE(jobs.Start([] { return Status(Broken("second")); }).ok());
  bool ran = false;
  const auto third = jobs.Start([&] {
    ran = true;
    return Ok();
  });
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().message(), "second");
  EXPECT_TRUE(jobs.Finish().ok()) << "said once";
  EXPECT_FALSE(ran);
}

TEST(BackgroundTest, FinishAndDestructionWaitForAll) {
  std::atomic<int> ended = 0;
  {
    Background jobs(3);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(jobs.Start([&ended, i]() -> Status {
                        ++ended;
                        return i == 1 ? Status(Broken("one")) : Ok();
                      })
                      .ok());
    }
    const auto done = jobs.Finish();
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(done.error().message(), "one");
    ASSERT_TRUE(jobs.Start([&] {
                      ++ended;
                      return Ok();
                    })
                    .ok());
  }
  EXPECT_EQ(ended, 4);
}

}  // namespace
}  // namespace locket::cli
