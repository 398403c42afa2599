#include "base/subprocess.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace locket {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(RunCommandTest, MovesInputAndBothOutputsAndTheExitStatus) {
  const auto run = RunCommand({"sh", "-c", "cat; echo err >&2; exit 3"}, {.input = "in"});
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(run.value().standard_output, "in");
  EXPECT_EQ(run.value().standard_error, "err\n");
  EXPECT_EQ(run.value().exit_status, 3);
}

TEST(RunCommandTest, OutlivesAChildThatDoesNotReadItsInput) {
  const auto done = RunCommand({"true"}, {.input = std::string(1 << 20, 'x')});
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done->exit_status, 0);
}

TEST(RunCommandTest, NamesTheProgramThatIsNotThere) {
  const auto run = RunCommand({"no-such-program-anywhere"});
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(run.error().message(), HasSubstr("start 'no-such-program-anywhere'"));
}

TEST(RunCommandTest, KillsWhatTakesTooLong) {
  const auto run = RunCommand({"sleep", "1000"}, {.timeout = 20ms});
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code(), ErrorCode::kDeadlineExceeded);
}

TEST(RunCommandTest, KillsWhatPrintsTooMuch) {
  const auto run = RunCommand({"yes"}, {.max_output_bytes = 1000});
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code(), ErrorCode::kResourceExhausted);
}

TEST(SubprocessTest, OnlyTheNamedDescriptorsReachTheChild) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const auto write_to = [](int fd) {
    return std::vector<std::string>{"sh", "-c", "echo there > /proc/self/fd/" + std::to_string(fd)};
  };
  auto without = Subprocess::Start(write_to(writer.get()));
  ASSERT_TRUE(without.ok());
  EXPECT_NE(*without->Wait(), 0);
  auto with = Subprocess::Start(write_to(writer.get()), {.inherited_fds = {writer.get()}});
  ASSERT_TRUE(with.ok());
  EXPECT_EQ(*with->Wait(), 0);
  EXPECT_EQ(::fcntl(writer.get(), F_GETFD), FD_CLOEXEC) << "ours stays as it was";
  writer.reset();
  std::string text(16, '\0');
  EXPECT_EQ(::read(reader.get(), text.data(), text.size()), 6);
  EXPECT_EQ(text.substr(0, 6), "there\n");
}

TEST(SubprocessTest, CountsADeathBySignalAsAShellDoes) {
  auto child = Subprocess::Start({"sleep", "1000"});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->Wait(1ms).error().code(), ErrorCode::kDeadlineExceeded);
  ASSERT_TRUE(child->Kill(SIGTERM).ok());
  EXPECT_EQ(*child->Wait(), 128 + SIGTERM);
  EXPECT_TRUE(child->Kill(SIGTERM).ok()) << "it is gone already";
}

}  // namespace
}  // namespace locket
