#include "cli/stop_on_signal.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <future>
#include <iostream>

namespace locket::cli {
namespace {

class StopOnSignalTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<StopOnSignal>> Start() const {
    return StopOnSignal::Start({.out = std::cout,
                                .err = std::cerr,
                                .environment = {},
                                .catch_signals = [this]() -> Result<UniqueFd> {
                                  return UniqueFd(::dup(signals_.get()));
                                }});
  }
  void Signal() const { EXPECT_EQ(::eventfd_write(signals_.get(), 1), 0); }
  // Sends a signal and waits until the work was asked to stop.
  void Ask(const StopOnSignal& stop) const {
    std::promise<void> asked;
    const std::stop_callback on_stop(stop.token(), [&] { asked.set_value(); });
    Signal();
    asked.get_future().wait();
  }

  const UniqueFd signals_{::eventfd(0, EFD_CLOEXEC)};
};

TEST_F(StopOnSignalTest, TheFirstSignalAsksTheWorkToStop) {
  const auto stop = Start();
  ASSERT_TRUE(stop.ok());
  EXPECT_FALSE((*stop)->token().stop_requested());
  Ask(**stop);
  EXPECT_TRUE((*stop)->token().stop_requested());
}

TEST_F(StopOnSignalTest, TheSecondEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto end = [this] {
    const auto stop = Start();
    Ask(**stop);
    Signal();
    ::pause();
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(130), "");
}

TEST_F(StopOnSignalTest, NothingIsAskedForWithoutASignal) {
  auto stop = Start();
  ASSERT_TRUE(stop.ok());
  const std::stop_token token = (*stop)->token();
  stop->reset();
  EXPECT_FALSE(token.stop_requested());
}

}  // namespace
}  // namespace locket::cli
