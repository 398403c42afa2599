// process_record.h and console_log.h: what a VM leaves in its state directory.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "runtime-shim/hypervisor/console_log.h"
#include "runtime-shim/hypervisor/process_record.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class StateTest : public ::testing::Test {
 protected:
  StateTest() : dir_(TempDir::Create("/tmp", "shim-state").value()) {}
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(ReplaceFileDurably(dir_.path() / name, text).ok());
  }
  std::string Read(const std::string& name) {
    return ReadFile(dir_.path() / name, 1U << 24).value();
  }
  TempDir dir_;
};

TEST_F(StateTest, ARecordedProcessIsEnded) {
  auto child = Subprocess::Start({"sleep", "1000"}).value();
  ASSERT_TRUE(WriteProcessRecord(dir_.path(), {IdentifyProcess(child.pid()).value()}).ok());
  EXPECT_EQ(KillRecorded(dir_.path(), milliseconds(5000)), 1);
  EXPECT_EQ(child.Wait().value(), 128 + SIGTERM);
}

TEST_F(StateTest, WhoeverIsInARecordedCgroupIsEnded) {
  auto recorded = Subprocess::Start({"sleep", "1000"}).value();
  auto child = Subprocess::Start({"sleep", "1000"}).value();
  ASSERT_TRUE(WriteProcessRecord(dir_.path(), {IdentifyProcess(recorded.pid()).value()}).ok());
  const auto cgroup = dir_.path() / "cgroup";
  std::filesystem::create_directory(cgroup);
  Write("cgroup/cgroup.procs",
        std::to_string(recorded.pid()) + "\n" + std::to_string(child.pid()) + "\n0\n1\nnone\n");
  Write("cgroups", "/no/such/cgroup\nrelative\n" + cgroup.string() + "\n");
  EXPECT_EQ(KillRecorded(dir_.path(), milliseconds(5000)), 2);
  EXPECT_EQ(recorded.Wait().value(), 128 + SIGTERM);
  EXPECT_EQ(child.Wait().value(), 128 + SIGTERM);
}

TEST_F(StateTest, RecordedCgroupsGoWithTheState) {
  const TempDir elsewhere = TempDir::Create("/tmp", "shim-cgroup").value();
  const auto cgroup = elsewhere.path() / "cgroup";
  std::filesystem::create_directory(cgroup);
  Write("cgroups", cgroup.string() + "\n" + (elsewhere.path() / "gone").string() + "\n");
  EXPECT_TRUE(RemoveSandboxState(dir_.path(), milliseconds(0)).ok());
  EXPECT_FALSE(std::filesystem::exists(cgroup));
  EXPECT_FALSE(std::filesystem::exists(dir_.path()));
}

TEST_F(StateTest, AProcessThatIgnoresSigtermIsKilled) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(ready[0]);
  UniqueFd write_end(ready[1]);
  auto child = Subprocess::Start({"sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"},
                                 {.stdout_fd = write_end.get()})
                   .value();
  char byte = 0;
  ASSERT_EQ(::read(read_end.get(), &byte, 1), 1);
  ASSERT_TRUE(WriteProcessRecord(dir_.path(), {IdentifyProcess(child.pid()).value()}).ok());
  EXPECT_EQ(KillRecorded(dir_.path(), milliseconds(0)), 1);
  EXPECT_EQ(child.Wait().value(), 128 + SIGKILL);
}

TEST_F(StateTest, AnotherProcessWithTheSameNumberIsLeftAlone) {
  auto child = Subprocess::Start({"sleep", "1000"}).value();
  auto id = IdentifyProcess(child.pid()).value();
  id.start_time -= 1;
  ASSERT_TRUE(WriteProcessRecord(dir_.path(), {id}).ok());
  EXPECT_EQ(KillRecorded(dir_.path(), milliseconds(0)), 0);
  EXPECT_EQ(child.Wait(milliseconds(50)).error().code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(StateTest, QemusOwnPidFileCountsOnlyForAProcessThatNamesTheDirectory) {
  auto stranger = Subprocess::Start({"sleep", "1000"}).value();
  Write("qemu.pid", std::to_string(stranger.pid()) + "\n");
  EXPECT_EQ(KillRecorded(dir_.path(), milliseconds(0)), 0);
  // `exec -a` gives a process the command line that QEMU would have; the pipe says it has it.
  const std::string pid_file = (dir_.path() / "qemu.pid").string();
  auto qemu = Subprocess::Start({"tail", "-f", "/dev/null", pid_file}).value();
  Write("qemu.pid", std::to_string(qemu.pid()) + "\n");
  EXPECT_EQ(KillRecorded(dir_.path(), milliseconds(5000)), 1);
  EXPECT_EQ(qemu.Wait().value(), 128 + SIGTERM);
}

TEST_F(StateTest, TornRecordsAreSkipped) {
  Write("processes", "12\n 3\nx y\n5 6 7\n1 5\n-4 4\n99 100\n12 ");
  EXPECT_THAT(ReadProcessRecord(dir_.path()),
              ::testing::ElementsAre(ProcessId{.pid = 99, .start_time = 100}));
}

TEST_F(StateTest, RemovingWhatIsAbsentSucceeds) {
  EXPECT_TRUE(RemoveSandboxState(dir_.path() / "none", milliseconds(0)).ok());
}

TEST_F(StateTest, RemovingEndsProcessesAndFiles) {
  auto child = Subprocess::Start({"sleep", "1000"}).value();
  const auto sandbox = dir_.path() / "pod";
  ASSERT_TRUE(std::filesystem::create_directory(sandbox));
  ASSERT_TRUE(WriteProcessRecord(sandbox, {IdentifyProcess(child.pid()).value()}).ok());
  EXPECT_TRUE(RemoveSandboxState(sandbox, milliseconds(5000)).ok());
  EXPECT_FALSE(std::filesystem::exists(sandbox));
  EXPECT_EQ(child.Wait().value(), 128 + SIGTERM);
}

TEST_F(StateTest, ALogNeverGrowsBeyondTwiceItsLimit) {
  BoundedLog log(dir_.path() / "log", 100);
  for (int i = 0; i < 50; ++i) log.Append("0123456789");
  EXPECT_LE(Read("log").size(), 100U);
  EXPECT_EQ(Read("log.old").size(), 100U);
}

TEST_F(StateTest, ATailIsWholePrintableLines) {
  Write("log", "first line\r\nsecond \x1b[1m line\nthird\n");
  EXPECT_EQ(LogTail(dir_.path() / "log", 1000), "first line\nsecond ?[1m line\nthird\n");
  EXPECT_EQ(LogTail(dir_.path() / "log", 12), "third\n");
  EXPECT_THAT(LogTail(dir_.path() / "none", 12), IsEmpty());
}

TEST_F(StateTest, APanicIsFoundHoweverTheStreamIsCut) {
  const std::string text = "[ 1.0] fine\r\n[ 2.0] Kernel panic - not syncing: why\r\nmore\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    PanicFinder finder;
    std::string found = finder.Feed(text.substr(0, cut));
    found += finder.Feed(text.substr(cut));
    EXPECT_EQ(found, "Kernel panic - not syncing: why") << cut;
  }
}

TEST_F(StateTest, APanicIsToldOnce) {
  PanicFinder finder;
  EXPECT_THAT(finder.Feed("Kernel panic - not syncing: a\n"), Not(IsEmpty()));
  EXPECT_THAT(finder.Feed("Kernel panic - not syncing: b\n"), IsEmpty());
}

TEST_F(StateTest, TheConsoleIsKeptAndWatched) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
  UniqueFd guest(fds[1]);
  std::string panic;
  {
    ConsoleLog console(UniqueFd{fds[0]}, dir_.path() / "console.log",
                       [&](const std::string& line) { panic = line; });
    const std::string text = "boot\nKernel panic - not syncing: x\n";
    ASSERT_TRUE(WriteFull(guest.get(), AsBytes(text)).ok());
    ::shutdown(guest.get(), SHUT_WR);
    char byte = 0;
    EXPECT_EQ(::read(guest.get(), &byte, 0), 0);
    // The copier ends at the guest's end; joining it is the object's death.
    while (!std::filesystem::exists(dir_.path() / "console.log") ||
           Read("console.log").size() < text.size()) {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(panic, "Kernel panic - not syncing: x");
  EXPECT_THAT(Read("console.log"), HasSubstr("boot\n"));
}

}  // namespace
}  // namespace locket::runtime_shim
