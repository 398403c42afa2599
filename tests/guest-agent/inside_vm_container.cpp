// What a container that crun made of our config is like, in a guest whose PID 1 this is: where it
// is.
#include <fcntl.h>
#include <gmock/gmock.h>
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
    Write("config.json", EncodeGuestConfig(config_, {.container_id = kName,
                                                     .rootfs = "/test/rootfs",
                                                     .etc = directory_.path()}));
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

}  // namespace
}  // namespace locket::guest_agent
