#include "base/signals.h"

#include <gtest/gtest.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/file.h"

namespace locket {
namespace {

// Gives the thread its mask back, and takes away what is still pending.
class SignalsTest : public ::testing::Test {
 protected:
  ~SignalsTest() override {
    signalfd_siginfo ignored{};
    while (fd_.valid() && ::read(fd_.get(), &ignored, sizeof ignored) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  void Catch(std::initializer_list<int> signals) {
    auto fd = CatchSignals(signals, SFD_NONBLOCK, &before_);
    ASSERT_TRUE(fd.ok()) << fd.error().message();
    fd_ = std::move(*fd);
  }

  sigset_t before_{};
  UniqueFd fd_;
};

TEST_F(SignalsTest, ACaughtSignalIsReadInsteadOfKilling) {
  Catch({SIGUSR1, SIGUSR2});
  ASSERT_EQ(::raise(SIGUSR2), 0);
  signalfd_siginfo got{};
  ASSERT_TRUE(ReadFull(fd_.get(), std::as_writable_bytes(std::span(&got, 1))).ok());
  EXPECT_EQ(got.ssi_signo, static_cast<uint32_t>(SIGUSR2));
  EXPECT_EQ(::read(fd_.get(), &got, sizeof got), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(SignalsTest, TheFormerMaskIsGiven) {
  Catch({SIGUSR1});
  EXPECT_EQ(::sigismember(&before_, SIGUSR1), 0);
  sigset_t now;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(::sigismember(&now, SIGUSR1), 1);
}

}  // namespace
}  // namespace locket
