// Real processes in mount namespaces of their own, as crun leaves a container's first one.
#include "guest-agent/process/process_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

// What the process does last: 0, or -1.
using Go = int (*)(int outside);

// Puts the calling process below `root`, which gets the machine's /proc and a tmpfs at /volume,
// with a directory of the outside open.
int Confine(const char* root, Go go) {
  const auto mount = [](const char* from, const std::string& to, const char* type,
                        unsigned long flags) {
    return ::mount(from, to.c_str(), type, flags, nullptr);
  };
  const std::string at = root;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE) != 0 ||
      mount(root, at, nullptr, MS_BIND) != 0 ||
      mount("/proc", at + "/proc", nullptr, MS_BIND | MS_REC) != 0 ||
      mount("tmpfs", at + "/volume", "tmpfs", 0) != 0) {
    return -1;
  }
  const int outside = ::open("/tmp", O_PATH | O_DIRECTORY);
  if (outside < 0 || ::chdir(root) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
      ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
    return -1;
  }
  return go(outside);
}

class ProcessDirectoryTest : public ::testing::Test {
 protected:
  ProcessDirectoryTest() {
    for (const char* name : {"proc", "volume", "work"}) {
      std::filesystem::create_directory(root_.path() / name);
    }
  }
  ~ProcessDirectoryTest() override {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  // Starts a process that goes where `go` says and waits there. False: this machine does not let
  // us.
  bool Start(Go go) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int flags = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
      if (::unshare(flags) != 0 || Confine(root_.path().c_str(), go) != 0) ::_exit(1);
      if (::write(writer.get(), "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    writer.reset();
    char there = 0;
    return ::read(reader.get(), &there, 1) == 1;
  }

  TempDir root_ = std::move(TempDir::Create("/tmp", "root").value());
  pid_t pid_ = 0;
};

constexpr char kNeeds[] = "needs a mount namespace of its own";

TEST_F(ProcessDirectoryTest, DirectoriesOfTheContainerAndItsVolumesAreInside) {
  for (const Go go : {Go([](int) { return 0; }), Go([](int) { return ::chdir("/work"); }),
                      Go([](int) { return ::chdir("/volume"); })}) {
    if (!Start(go)) GTEST_SKIP() << kNeeds;
    const Status checked = CheckProcessDirectory(pid_);
    EXPECT_TRUE(checked.ok()) << checked.error().message();
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
}

TEST_F(ProcessDirectoryTest, ADirectoryThatADescriptorOfTheOutsideGaveIsRefused) {
  if (!Start([](int outside) { return ::fchdir(outside); })) GTEST_SKIP() << kNeeds;
  const Status checked = CheckProcessDirectory(pid_);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(checked.error().message(), HasSubstr("leads out of the container"));
}

TEST_F(ProcessDirectoryTest, ALinkIntoTheOutsideIsRefused) {
  const bool started = Start([](int outside) {
    const std::string link = "/proc/self/fd/" + std::to_string(outside);
    return ::symlink(link.c_str(), "/volume/link") == 0 ? ::chdir("/volume/link") : -1;
  });
  if (!started) GTEST_SKIP() << kNeeds;
  const Status checked = CheckProcessDirectory(pid_);
  ASSERT_FALSE(checked.ok());
  EXPECT_THAT(checked.error().message(), HasSubstr("leads out of the container"));
}

TEST_F(ProcessDirectoryTest, TheContainersOwnProcIsRefusedToo) {
  if (!Start([](int) { return ::chdir("/proc/self"); })) GTEST_SKIP() << kNeeds;
  const Status checked = CheckProcessDirectory(pid_);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(checked.error().message(), HasSubstr("leads into /proc"));
}

TEST_F(ProcessDirectoryTest, AProcessThatIsGoneIsNotFound) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(CheckProcessDirectory(pid).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::guest_agent
