// UniqueFd, Secret and NoSigpipe: what each of them owns, and gives back.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/encoding.h"
#include "base/no_sigpipe.h"
#include "base/secret.h"
#include "base/unique_fd.h"

namespace locket {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

UniqueFd OpenNull() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(UniqueFdTest, ClosesWhatItOwnsOnce) {
  int number = -1;
  {
    UniqueFd first = OpenNull();
    number = first.get();
    const UniqueFd second(std::move(first));
    EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): moved-from is defined
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFdTest, WhatWasReleasedStaysOpen) {
  UniqueFd fd = OpenNull();
  const UniqueFd again(fd.release());
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(again.get()));
}

TEST(UniqueFdTest, ResetLeavesErrnoAlone) {
  UniqueFd fd = OpenNull();
  const int number = fd.get();
  errno = EBUSY;
  fd.reset();
  EXPECT_EQ(errno, EBUSY);
  EXPECT_FALSE(IsOpen(number));
}

TEST(SecretTest, IsZeroAtFirstAndEmptyOnceMoved) {
  Secret secret(3);
  EXPECT_EQ(AsText(secret.Reveal()), std::string_view("\0\0\0", 3));
  Secret from = ToSecret("key");
  const Secret to(std::move(from));
  EXPECT_EQ(AsText(to.Reveal()), "key");
  EXPECT_TRUE(from.Reveal().empty());  // NOLINT(bugprone-use-after-move): moved-from is defined
}

void WriteToNobody() {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

TEST(NoSigpipeTest, AWriteToNobodyIsAnErrorAndNoSignalIsLeft) {
  {
    const NoSigpipe quiet;
    WriteToNobody();
  }
  sigset_t now;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
  EXPECT_EQ(::sigismember(&now, SIGPIPE), 0);
  ::sigpending(&now);
  EXPECT_EQ(::sigismember(&now, SIGPIPE), 0);
}

}  // namespace
}  // namespace locket
