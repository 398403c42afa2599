// What a container that crun made of our config is like, in a guest whose PID 1 this is: where it
// is, which system calls it may make, how its root directory is mounted.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/process/crun_runtime.h"

namespace locket::guest_agent {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kName[] = "probe";

class ContainerInsideVmTest : public ::testing::Test {
 protected:
  ContainerInsideVmTest() {
    for (const char* name : {"hosts", "hostname", "resolv.conf"}) Write(name, "");
    fs::create_directory(volume_);
    config_.volumes.push_back(
        {.name = "v", .destination = "/vol", .read_only = false, .directory = volume_});
  }
  ~ContainerInsideVmTest() override {
    EXPECT_TRUE(crun_.Delete(kName).ok());
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }

  void Write(const char* name, const std::string& text) const {
    ASSERT_TRUE(ReplaceFileDurably(directory_.path() / name, text).ok());
  }

  Result<StartedProcess> Create(const fs::path& rootfs = "/test/rootfs") {
    Write("config.json",
          EncodeGuestConfig(config_,
                            {.container_id = kName, .rootfs = rootfs, .etc = directory_.path()}));
    output_ = OpenFile(directory_.path() / "output", O_RDWR | O_CREAT | O_TRUNC).value();
    return crun_.Create({.id = kName, .bundle = directory_.path(), .streams = Streams()});
  }
  ProcessStreams Streams() const {
    return {.terminal = false,
            .stdin_fd = null_.get(),
            .stdout_fd = output_.get(),
            .stderr_fd = output_.get()};
  }
  std::string Output() const {
    auto text = ReadFile(directory_.path() / "output", 1 << 20);
    return text.ok() ? *text : text.error().message();
  }

  // What the container prints until it ends.
  std::string Run() {
    const auto created = Create();
    if (!created.ok()) return created.error().message();
    const Status started = crun_.Start(kName);
    if (!started.ok()) return started.error().message();
    EXPECT_EQ(::waitpid(created->pid, nullptr, 0), created->pid);
    std::string text = Output();
    EXPECT_TRUE(crun_.Delete(kName).ok());
    return text;
  }

  // A link in the volume, to `target`.
  void LinkTo(const std::string& target) const {
    fs::remove(volume_ / "link");
    fs::create_symlink(target, volume_ / "link");
  }
  // Where a link may point to get out of a container. crun 1.8 has descriptors 3, 4 and 8 open.
  static std::vector<std::string> WaysOut() {
    std::vector<std::string> ways = {"/proc/self/cwd", "/proc/1/root"};
    for (int fd = 3; fd < 10; ++fd) ways.push_back("/proc/self/fd/" + std::to_string(fd));
    return ways;
  }

  // The options of the mount at `at`, as the container's first process sees it.
  static std::string MountOptions(pid_t pid, const std::string& at) {
    const std::string mounts =
        ReadFile("/proc/" + std::to_string(pid) + "/mountinfo", 1 << 20).value();
    // ID, parent, device, root, mount point, options (proc(5)).
    const auto begin = mounts.find(" " + at + " ");
    if (begin == std::string::npos) return "no mount";
    const auto options = begin + at.size() + 2;
    return mounts.substr(options, mounts.find(' ', options) - options);
  }

  CrunRuntime crun_{CrunPaths{}};
  const UniqueFd null_{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  const TempDir directory_ = std::move(TempDir::Create("/tmp", "container").value());
  const fs::path volume_ = directory_.path() / "volume";
  UniqueFd output_;
  GuestConfig config_{.process = {.argv = {"/bin/sh", "-c", "echo $PWD; ls -d /vol/src"},
                                  .env = {"PATH=/bin"},
                                  .working_directory = "/vol/src",
                                  .uid = 0,
                                  .gid = 0},
                      .capabilities = {},
                      .rlimits = {},
                      .hostname = "h",
                      .no_new_privileges = false,
                      .read_only_root = false,
                      .limits = {}};
};

TEST_F(ContainerInsideVmTest, AWorkingDirectoryBelowAVolumeIsMadeThere) {
  EXPECT_EQ(Run(), "/vol/src\n/vol/src\n");
  EXPECT_TRUE(fs::is_directory(volume_ / "src"));
  config_.process.working_directory = "/vol/src/a/b";
  EXPECT_EQ(Run(), "/vol/src/a/b\n/vol/src\n") << "with the volume as it is by now";
  fs::create_directory_symlink("src/a", volume_ / "link");
  config_.process.working_directory = "/vol/link/b";
  EXPECT_THAT(Run(), HasSubstr("\n/vol/src\n")) << "a link inside the container is followed";
}

// Whatever descriptors crun has open when it goes there. A container that is let through says where
// it is, which getcwd(2) does for what lies below its root directory only.
TEST_F(ContainerInsideVmTest, NoLinkOfAVolumeLeadsOutOfTheContainer) {
  config_.process.argv = {"/bin/sh", "-c", "pwd -P"};
  config_.process.working_directory = "/vol/link";
  for (const char* target : {"/proc", "/proc/self"}) {
    LinkTo(target);
    EXPECT_EQ(Run(), "the working directory leads into /proc: set another one");
  }
  for (const std::string& target : WaysOut()) {
    LinkTo(target);
    EXPECT_THAT(Run(), AnyOf(Eq("/\n"), HasSubstr("the working directory leads out"),
                             AllOf(HasSubstr("crun create"), HasSubstr("chdir"))))
        << target;
  }
}

// Nothing checks where an exec is: it relies on crun having no directory open.
TEST_F(ContainerInsideVmTest, CrunLeavesAnExecNoDescriptorThatLeadsOut) {
  config_.process.argv = {"/bin/sleep", "1000"};
  config_.process.working_directory = "/";
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(crun_.Start(kName).ok());
  config_.process.argv = {"/bin/sh", "-c", "pwd -P"};
  config_.process.working_directory = "/vol/link";
  Write(kExecProcessFile, EncodeGuestProcess(config_));
  for (const std::string& target : WaysOut()) {
    LinkTo(target);
    ASSERT_EQ(::ftruncate(output_.get(), 0), 0);
    ASSERT_EQ(::lseek(output_.get(), 0, SEEK_SET), 0);
    const auto exec =
        crun_.Exec({.container_id = kName, .directory = directory_.path(), .streams = Streams()});
    if (!exec.ok()) {
      EXPECT_THAT(exec.error().message(), HasSubstr("chdir")) << target;
      continue;
    }
    EXPECT_EQ(::waitpid(exec->pid, nullptr, 0), exec->pid);
    EXPECT_THAT(Output(), AnyOf(Eq("/\n"), HasSubstr("chdir"))) << target;
  }
}

TEST_F(ContainerInsideVmTest, TheProfileRefusesAndLetsThroughAsItSays) {
  config_.process.argv = {"/bin/system-calls"};
  config_.process.working_directory = "/";
  EXPECT_EQ(Run(),
            "unshare EPERM\nkeyctl EPERM\nio_uring_setup EPERM\n"
            "clone3 ENOSYS\nsocket-vsock ENOSYS\npersonality-bits ENOSYS\n"
            "getppid ok\nsocket-unix ok\npersonality ok\nfork ok\n");
  // Without it the kernel has other answers to each: the test can fail.
  config_.all_syscalls = true;
  EXPECT_THAT(Run(), AllOf(Not(HasSubstr("EPERM")), Not(HasSubstr("ENOSYS")),
                           HasSubstr("clone3 EINVAL"), HasSubstr("fork ok")));
}

// Why containers' root directories are kept from devices by device_guard.h: crun binds the root
// directory over itself and remounts that bind with flags of its own.
TEST_F(ContainerInsideVmTest, CrunDropsNodevOfARootDirectory) {
  const auto root = directory_.path() / "root";
  fs::create_directory(root);
  ASSERT_EQ(::mount("/test/rootfs", root.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, root.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_NODEV, nullptr), 0);
  EXPECT_THAT(MountOptions(::getpid(), root), HasSubstr("nodev"));
  config_.process.working_directory = "/";
  const auto created = Create(root);
  ASSERT_TRUE(created.ok()) << created.error().message();
  EXPECT_THAT(MountOptions(created->pid, "/"), Not(HasSubstr("nodev")));
  EXPECT_THAT(MountOptions(created->pid, "/vol"), HasSubstr("nodev"));
  EXPECT_TRUE(crun_.Delete(kName).ok());
  EXPECT_EQ(::umount2(root.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace locket::guest_agent
