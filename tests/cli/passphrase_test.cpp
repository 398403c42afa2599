#include "cli/passphrase.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <future>

#include "base/encoding.h"
#include "base/unique_fd.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;

// A terminal of the test's own: `screen_` is where the person sits.
class PassphraseTest : public ::testing::Test {
 protected:
  PassphraseTest() {
    int screen = -1;
    int terminal = -1;
    EXPECT_EQ(::openpty(&screen, &terminal, nullptr, nullptr, nullptr), 0);
    screen_.reset(screen);
    terminal_.reset(terminal);
    EXPECT_EQ(::tcgetattr(terminal_.get(), &before_), 0);
  }

  std::future<Result<Secret>> Ask() {
    return std::async(std::launch::async, [this] {
      return AskPassphrase(terminal_.get(), "Passphrase: ", stop_.get_token());
    });
  }
  // All that the person has seen once `end` is there.
  std::string Seen(const std::string& end) {
    std::array<char, 256> buffer{};
    while (seen_.find(end) == std::string::npos) {
      const ssize_t n = ::read(screen_.get(), buffer.data(), buffer.size());
      if (n <= 0) break;
      seen_.append(buffer.data(), static_cast<size_t>(n));
    }
    return seen_;
  }
  void Type(const std::string& keys) {
    ASSERT_EQ(::write(screen_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  void ExpectTerminalAsBefore() {
    termios now{};
    ASSERT_EQ(::tcgetattr(terminal_.get(), &now), 0);
    EXPECT_EQ(now.c_lflag, before_.c_lflag);
    EXPECT_EQ(now.c_cc[VSUSP], before_.c_cc[VSUSP]);
    EXPECT_EQ(now.c_cc[VQUIT], before_.c_cc[VQUIT]);
  }

  UniqueFd screen_;
  UniqueFd terminal_;
  termios before_{};
  std::stop_source stop_;
  std::string seen_;
};

TEST_F(PassphraseTest, IsReadUnseenAndTheTerminalIsAsBefore) {
  auto asked = Ask();
  Seen("Passphrase: ");
  Type("correct horse\n");
  const auto typed = asked.get();
  ASSERT_TRUE(typed.ok()) << typed.error().message();
  EXPECT_EQ(AsText(typed->Reveal()), "correct horse");
  EXPECT_EQ(Seen("\n"), "Passphrase: \r\n");
  ExpectTerminalAsBefore();
}

TEST_F(PassphraseTest, ASignalEndsItAndTheTerminalIsAsBefore) {
  auto asked = Ask();
  Seen("Passphrase: ");
  Type("half");
  stop_.request_stop();
  EXPECT_EQ(asked.get().error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(Seen("\n"), "Passphrase: \r\n") << "the error message begins a line";
  ExpectTerminalAsBefore();
}

TEST_F(PassphraseTest, TheKeysThatWouldStopTheProgramAreOffMeanwhile) {
  auto asked = Ask();
  Seen("Passphrase: ");
  termios now{};
  ASSERT_EQ(::tcgetattr(terminal_.get(), &now), 0);
  EXPECT_EQ(now.c_lflag & ECHO, 0U);
  EXPECT_EQ(now.c_cc[VSUSP], _POSIX_VDISABLE);
  EXPECT_EQ(now.c_cc[VQUIT], _POSIX_VDISABLE);
  EXPECT_EQ(now.c_cc[VINTR], before_.c_cc[VINTR]);
  Type("x\n");
  EXPECT_TRUE(asked.get().ok());
}

TEST_F(PassphraseTest, NothingTypedIsSaidSo) {
  for (const char* keys : {"\n", "\x04"}) {  // Ctrl-D
    auto asked = Ask();
    Seen("Passphrase: ");
    seen_.clear();
    Type(keys);
    EXPECT_THAT(asked.get().error().message(), HasSubstr("no passphrase was typed"));
    ExpectTerminalAsBefore();
  }
}

TEST_F(PassphraseTest, WhatIsNoTerminalIsSaidSo) {
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto asked = AskPassphrase(file.get(), "?", stop_.get_token());
  EXPECT_EQ(asked.error().code(), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace locket::cli
