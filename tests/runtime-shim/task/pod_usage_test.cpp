// A pod and the cgroup of its VM: where it is made, what its tasks are said to use, and how it
// ends.
#include "tests/runtime-shim/host/fake_cgroup_files.h"
#include "tests/runtime-shim/task/pod_fixture.h"

namespace locket::runtime_shim {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class PodUsageTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    std::filesystem::create_directories(parent_);
    NewPod(
        {.mounts = {{.mount_point = dir_.path() / "cgroup", .unified = true}}, .files = &files_});
  }
  using PodTest::NewPod;
  void NewPod(HostCgroups cgroups) {
    pod_ = std::make_unique<Pod>(
        config_, PodDependencies{.hypervisor = hypervisor_, .cgroups = std::move(cgroups)},
        *events_);
  }
  CreateRequest InCgroup(const std::string& path = "/pods/one/id") {
    const auto request = Sandbox();
    json spec = json::parse(ReadFile(request.bundle / "config.json", 10000).value());
    spec["linux"] = {{"cgroupsPath", path}};
    Write("pod/config.json", spec.dump());
    return request;
  }
  void Run() {
    const auto created = pod_->Create(InCgroup());
    ASSERT_TRUE(created.ok()) << created.error().message();
    ASSERT_TRUE(pod_->Start("pod").ok());
  }
  void Kernel(const std::string& file, const std::string& text) {
    Write("cgroup/pods/one/locket-pod/" + file, text);
  }

  FakeCgroupFiles files_;
  const std::filesystem::path parent_ = dir_.path() / "cgroup/pods/one";
};

TEST_F(PodUsageTest, TheVmStartsInACgroupOfThePodsThatGoesWithIt) {
  files_.born_with.clear();  // they are in the way of rmdir, as the kernel's are not
  Run();
  EXPECT_THAT(machine_->spec.cgroups, ElementsAre(parent_ / "locket-pod"));
  ASSERT_TRUE(pod_->Kill("pod", SIGKILL, false).ok());
  ASSERT_TRUE(pod_->Wait("pod").ok());
  ASSERT_TRUE(pod_->Delete("pod").ok());
  EXPECT_FALSE(std::filesystem::exists(parent_ / "locket-pod"));
}

TEST_F(PodUsageTest, SwitchedOffItStaysWhereItIs) {
  config_.pod_cgroup = false;
  Run();
  EXPECT_THAT(machine_->spec.cgroups, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(parent_ / "locket-pod"));
  EXPECT_EQ(pod_->Usage("pod")->usage, CgroupUsage{});
}

TEST_F(PodUsageTest, AParentThatIsNotThereRefusesThePod) {
  const auto created = pod_->Create(InCgroup("/pods/none/id"));
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(),
              HasSubstr("boot the VM of pod 'pod': the pod's cgroup '/pods/none' is not there"));
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
}

TEST_F(PodUsageTest, ContainersShareWhatTheVmTook) {
  Run();
  RunContainer("one");
  RunContainer("two");
  Kernel("cpu.stat", "usage_usec 10\n");
  Kernel("memory.current", "600\n");
  EXPECT_EQ(pod_->Usage("pod")->usage.cpu_ns, 10000U);
  EXPECT_EQ(pod_->Usage("pod")->usage.memory_bytes, 600U);
  EXPECT_TRUE(pod_->Usage("pod")->unified);
  EXPECT_EQ(pod_->Usage("one")->usage.cpu_ns, 5000U);
  EXPECT_EQ(pod_->Usage("two")->usage.memory_bytes, 300U);
  EXPECT_EQ(pod_->Usage("three").error().code(), ErrorCode::kNotFound);
}

TEST_F(PodUsageTest, AVmThatTheHostKilledForItsMemoryIsTheReasonOfEveryEnd) {
  Run();
  RunContainer("one");
  Kernel("memory.events", "oom_kill 1\n");
  Kernel("memory.max", "314572800\n");
  machine_->PowerOff("QEMU was killed by signal 9");
  EXPECT_EQ(pod_->Wait("one")->status, kKilledStatus);
  ASSERT_TRUE(containerd_->WaitEvent("/tasks/exit pod 137"));
  EXPECT_THAT(containerd_->events(),
              AllOf(Contains("/tasks/oom one"), Not(Contains("/tasks/oom pod"))));
  const auto another = pod_->Create(Container("two"));
  ASSERT_FALSE(another.ok());
  EXPECT_THAT(
      another.error().message(),
      HasSubstr("the pod's VM is gone: out of memory on the host, in cgroup "
                "'/pods/one/locket-pod': limit 300 MiB, and a VM of memory_mib = 1024 takes "
                "up to 1184 MiB; raise overhead.podFixed"));
}

TEST_F(PodUsageTest, AnEndForAnotherReasonIsNoLackOfMemory) {
  Run();
  RunContainer("one");
  Kernel("memory.events", "oom 0\noom_kill 0\n");
  machine_->PowerOff();
  ASSERT_TRUE(containerd_->WaitEvent("/tasks/exit one 137"));
  EXPECT_THAT(containerd_->events(), Not(Contains("/tasks/oom one")));
}

TEST_F(PodUsageTest, ABootThatEndsForWantOfMemorySaysSo) {
  with_agent_ = false;
  files_.born_with.clear();
  on_launch_ = [this] {
    Write("cgroup/pods/one/memory.events", "oom_kill 1\n");
    machine_->PowerOff("QEMU was killed by signal 9");
  };
  const auto created = pod_->Create(InCgroup());
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(
      created.error().message(),
      AllOf(HasSubstr("out of memory on the host, in cgroup '/pods/one/locket-pod': no limit "
                      "of the pod's"),
            HasSubstr("QEMU was killed by signal 9")));
}

}  // namespace
}  // namespace locket::runtime_shim
