#include "registry/download_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <vector>

namespace locket::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Downloads that are asked for one after the other and end when the test says so.
class DownloadSlotsTest : public ::testing::Test {
 protected:
  DownloadSlots::Slot Take(const std::string& host) {
    auto slot = slots_.Take(host, {});
    EXPECT_TRUE(slot.ok());
    return std::move(slot).value();
  }
  // Returns once it waits; it notes `name` when its turn has come.
  void TakeLater(const std::string& name, const std::string& host) {
    const size_t before = slots_.num_waiting();
    threads_.emplace_back([this, name, host] {
      const auto slot = slots_.Take(host, {});
      const std::lock_guard lock(mutex_);
      order_.push_back(name);
    });
    while (slots_.num_waiting() == before) std::this_thread::yield();
  }
  std::vector<std::string> Order() {
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    return order_;
  }

  DownloadSlots slots_{{.total = 2, .per_host = 1}};
  std::mutex mutex_;
  std::vector<std::string> order_;
  std::vector<std::thread> threads_;
};

TEST_F(DownloadSlotsTest, FirstComeFirstServed) {
  std::optional held(Take("r"));
  for (const char* name : {"1", "2", "3"}) TakeLater(name, "r");
  held.reset();
  EXPECT_THAT(Order(), ElementsAre("1", "2", "3"));
}

TEST_F(DownloadSlotsTest, ARegistryAtItsLimitHoldsUpNobodyElse) {
  std::optional held(Take("slow"));
  TakeLater("slow", "slow");
  const auto other = Take("other");  // would hang
  EXPECT_EQ(slots_.num_waiting(), 1U);
  held.reset();
  EXPECT_THAT(Order(), ElementsAre("slow"));
}

TEST_F(DownloadSlotsTest, AllTogetherHaveALimit) {
  std::optional first(Take("a"));
  std::optional second(Take("b"));
  TakeLater("c", "c");
  second.reset();
  EXPECT_THAT(Order(), ElementsAre("c"));
}

TEST_F(DownloadSlotsTest, WhoGivesUpWaitingLeavesNothingBehind) {
  std::optional held(Take("r"));
  std::stop_source stop;
  auto given_up =
      std::async(std::launch::async, [&] { return slots_.Take("r", stop.get_token()).error(); });
  while (slots_.num_waiting() == 0) std::this_thread::yield();
  stop.request_stop();
  const Error error = given_up.get();
  EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  EXPECT_THAT(error.message(), HasSubstr("waited for its turn"));
  EXPECT_EQ(slots_.num_waiting(), 0U);
  held.reset();
  const auto next = Take("r");  // would hang
}

TEST_F(DownloadSlotsTest, NeverMoreThanTheLimitsUnderLoad) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, host = std::to_string(i % 4)] {
      for (int round = 0; round < 200; ++round) {
        const auto slot = slots_.Take(host, {});
        const int now = ++running;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --running;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace locket::registry
