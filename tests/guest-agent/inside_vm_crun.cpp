// crun keeps the promises of its seam, in a guest whose PID 1 this is.
#include <sys/wait.h>

#include "base/file.h"
#include "guest-agent/process/crun_runtime.h"
#include "tests/guest-agent/process/container_runtime_conformance.h"

namespace locket::guest_agent {
namespace {

class CrunHarness final : public RuntimeHarness {
 public:
  ContainerRuntime& runtime() override { return crun_; }
  std::filesystem::path rootfs() override { return "/test/rootfs"; }
  // What crun starts are our children once crun has left.
  int AwaitEnd(pid_t pid) override {
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  CrunRuntime crun_{CrunPaths{}};
};

INSTANTIATE_TEST_SUITE_P(Crun, ContainerRuntimeConformanceTest,
                         ::testing::Values(RuntimeMaker{"crun",
                                                        +[]() -> std::unique_ptr<RuntimeHarness> {
                                                          return std::make_unique<CrunHarness>();
                                                        }}));

// The agent is the last that the kernel kills for want of memory. crun hands on what it has.
TEST(OwnLimitsTest, ContainersAndExecsDoNotHaveTheAgentsProtection) {
  const auto score = [](const std::string& pid) {
    return ReadFile("/proc/" + pid + "/oom_score_adj", 100).value();
  };
  EXPECT_EQ(score("self"), "-1000\n");
  const auto directory = TempDir::Create("/tmp", "limits").value();
  const GuestConfig config{.process = {.argv = {"/bin/sleep", "1000"},
                                       .env = {"PATH=/bin"},
                                       .working_directory = "/",
                                       .uid = 0,
                                       .gid = 0},
                           .capabilities = {},
                           .rlimits = {},
                           .hostname = "h",
                           .no_new_privileges = false,
                           .read_only_root = false,
                           .limits = {}};
  const auto write = [&](const char* name, const std::string& text) {
    ASSERT_TRUE(ReplaceFileDurably(directory.path() / name, text).ok());
  };
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) write(name, "");
  write("config.json",
        EncodeGuestConfig(
            config, {.container_id = "limits", .rootfs = "/test/rootfs", .etc = directory.path()}));
  write(kExecProcessFile, EncodeGuestProcess(config));
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const ProcessStreams streams{
      .terminal = false, .stdin_fd = null.get(), .stdout_fd = null.get(), .stderr_fd = null.get()};
  CrunRuntime crun{CrunPaths{}};
  const auto created =
      crun.Create({.id = "limits", .bundle = directory.path(), .streams = streams});
  ASSERT_TRUE(created.ok()) << created.error().message();
  ASSERT_TRUE(crun.Start("limits").ok());
  EXPECT_EQ(score(std::to_string(created->pid)), "0\n");
  const auto exec =
      crun.Exec({.container_id = "limits", .directory = directory.path(), .streams = streams});
  ASSERT_TRUE(exec.ok()) << exec.error().message();
  EXPECT_EQ(score(std::to_string(exec->pid)), "0\n");
  EXPECT_TRUE(crun.Delete("limits").ok());
  EXPECT_EQ(::waitpid(exec->pid, nullptr, 0), exec->pid);
  EXPECT_EQ(::waitpid(created->pid, nullptr, 0), created->pid);
}

}  // namespace
}  // namespace locket::guest_agent
