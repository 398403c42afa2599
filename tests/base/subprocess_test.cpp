#include "base/subprocess.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
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

// A file stands in for cgroup.procs: what the kernel would take for "me" is written to it.
class CgroupChildTest : public ::testing::Test {
 protected:
  const TempDir dir_ = TempDir::Create("/tmp", "subprocess").value();
  const std::string procs_ = (dir_.path() / "cgroup.procs").string();
  UniqueFd fd_ = OpenFile(procs_, O_WRONLY | O_CREAT).value();
};

TEST_F(CgroupChildTest, EntersItsCgroupsBeforeItsProgramBegins) {
  const auto other = (dir_.path() / "other").string();
  const UniqueFd second = OpenFile(other, O_WRONLY | O_CREAT).value();
  const auto out = (dir_.path() / "out").string();
  const UniqueFd output = OpenFile(out, O_WRONLY | O_CREAT).value();
  auto child = Subprocess::Start(
      {"cat", procs_, other}, {.stdout_fd = output.get(), .cgroup_fds = {fd_.get(), second.get()}});
  ASSERT_TRUE(child.ok()) << child.error().message();
  EXPECT_EQ(*child->Wait(), 0);
  EXPECT_EQ(*ReadFile(out, 100), "00");
}

TEST_F(CgroupChildTest, HasWhatAnyOtherChildHas) {
  ASSERT_EQ(::setenv("SUBPROCESS_TEST", "old", 1), 0);
  (void)::signal(SIGPIPE, SIG_IGN);
  const auto out = (dir_.path() / "out").string();
  const UniqueFd output = OpenFile(out, O_WRONLY | O_CREAT).value();
  const std::string script = "echo $SUBPROCESS_TEST; wc -c; echo err >&2; for fd in " +
                             std::to_string(fd_.get()) + " " + std::to_string(output.get()) +
                             "; do test -e /proc/self/fd/$fd && echo kept; done; kill -PIPE $$";
  auto child = Subprocess::Start({"sh", "-c", script}, {.stdout_fd = output.get(),
                                                        .stderr_fd = output.get(),
                                                        .environment = {"SUBPROCESS_TEST=new"},
                                                        .inherited_fds = {output.get()},
                                                        .cgroup_fds = {fd_.get()}});
  ASSERT_TRUE(child.ok()) << child.error().message();
  EXPECT_EQ(*child->Wait(), 128 + SIGPIPE);
  EXPECT_EQ(*ReadFile(out, 100), "new\n0\nerr\nkept\n");
  (void)::signal(SIGPIPE, SIG_DFL);
}

TEST_F(CgroupChildTest, OneThatCannotEnterDoesNotRun) {
  const UniqueFd readable = OpenFile(procs_, O_RDONLY).value();
  const auto made = (dir_.path() / "made").string();
  const auto child = Subprocess::Start({"touch", made}, {.cgroup_fds = {readable.get()}});
  ASSERT_FALSE(child.ok());
  EXPECT_THAT(child.error().message(), HasSubstr("start 'touch': enter its cgroup: Bad file"));
  EXPECT_FALSE(std::filesystem::exists(made));
}

TEST_F(CgroupChildTest, NamesTheProgramThatIsNotThere) {
  const auto child = Subprocess::Start({"no-such-program-anywhere"}, {.cgroup_fds = {fd_.get()}});
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(child.error().message(), HasSubstr("start 'no-such-program-anywhere': exec"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

TEST(SubprocessTest, AChildIsAsLikelyToBeKilledForMemoryAsItIsTold) {
  const TempDir dir = TempDir::Create("/tmp", "subprocess").value();
  const auto out = dir.path() / "out";
  const UniqueFd output = OpenFile(out, O_WRONLY | O_CREAT).value();
  auto child = Subprocess::Start({"cat", "/proc/self/oom_score_adj"},
                                 {.stdout_fd = output.get(), .oom_score_adj = 777});
  ASSERT_TRUE(child.ok()) << child.error().message();
  EXPECT_EQ(*child->Wait(), 0);
  EXPECT_EQ(*ReadFile(out, 100), "777\n");
  const auto refused = Subprocess::Start({"true"}, {.oom_score_adj = 1001});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("start 'true': set its oom_score_adj: Invalid"));
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
