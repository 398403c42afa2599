#include "runtime-shim/host/pod_cgroup.h"

#include <gmock/gmock.h>

#include "tests/runtime-shim/host/fake_cgroup_files.h"

namespace locket::runtime_shim {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PodCgroupTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(record_); }

  // A hierarchy that has the pod's cgroup.
  fs::path Mount(const std::string& name, const std::vector<std::string>& controllers) {
    const auto point = dir_.path() / name;
    fs::create_directories(point / "pods/one");
    host_.mounts.push_back(
        {.mount_point = point, .unified = controllers.empty(), .controllers = controllers});
    return point / "pods/one";
  }
  fs::path MountUnified() { return Mount("unified", {}); }
  void Write(const fs::path& path, const std::string& text) {
    ASSERT_TRUE(ReplaceFileDurably(path, text).ok());
  }
  std::string Read(const fs::path& path) { return ReadFile(path, 1000).value(); }
  Result<std::optional<PodCgroup>> Make(const std::string& path = "/pods/one/id") {
    return PodCgroup::Make(host_, path, "id", record_);
  }
  PodCgroup Made() {
    auto made = Make();
    if (!made.ok() || !*made) ADD_FAILURE() << "not made";
    return **made;
  }

  const TempDir dir_ = TempDir::Create("/tmp", "shim-cgroup").value();
  const fs::path record_ = dir_.path() / "record";
  FakeCgroupFiles files_;
  HostCgroups host_{.unasked_parent = "k8s.io", .files = &files_};
};

TEST_F(PodCgroupTest, IsInEveryHierarchyThatHasThePods) {
  const auto memory = Mount("memory", {"rw", "memory"});
  const auto unified = MountUnified();
  host_.mounts.push_back({.mount_point = dir_.path() / "pids", .controllers = {"pids"}});
  const PodCgroup cgroup = Made();
  EXPECT_THAT(cgroup.directories(), ElementsAre(memory / "locket-id", unified / "locket-id"));
  for (const auto& directory : cgroup.directories()) EXPECT_TRUE(fs::is_directory(directory));
  EXPECT_EQ(ReadCgroupRecord(record_), cgroup.directories());
  EXPECT_EQ(cgroup.name(), "/pods/one/locket-id");
  EXPECT_FALSE(cgroup.unified());
}

TEST_F(PodCgroupTest, OnAUnifiedHostItsParentAccountsForIt) {
  const auto pod = MountUnified();
  Write(pod / "cgroup.controllers", "pids\n");
  const PodCgroup cgroup = Made();
  EXPECT_TRUE(cgroup.unified());
  EXPECT_EQ(Read(pod / "cgroup.subtree_control"), "+pids");
}

TEST_F(PodCgroupTest, ProcessorsAndNodesAreThePods) {
  const auto cpuset = Mount("cpuset", {"cpuset"});
  Write(cpuset / "cpuset.cpus", "0-1\n");
  Write(cpuset / "cpuset.mems", "0\n");
  const PodCgroup cgroup = Made();
  EXPECT_EQ(Read(cpuset / "locket-id/cpuset.cpus"), "0-1\n");
  EXPECT_EQ(Read(cpuset / "locket-id/cpuset.mems"), "0\n");
}

TEST_F(PodCgroupTest, ACpusetThatTakesNoProcessIsLeftOut) {
  const auto cpuset = Mount("cpuset", {"cpuset"});
  const auto memory = Mount("memory", {"memory"});
  Write(cpuset / "cpuset.cpus", "\n");
  Write(cpuset / "cpuset.mems", "0\n");
  EXPECT_THAT(Made().directories(), ElementsAre(memory / "locket-id"));
}

TEST_F(PodCgroupTest, ThereIsNoneWhereNoneCanBeHad) {
  EXPECT_FALSE(Make()->has_value()) << "nothing is mounted";
  MountUnified();
  EXPECT_FALSE(Make("")->has_value()) << "no path";
  EXPECT_FALSE(Make("/k8s.io/id")->has_value()) << "nobody asked";
  host_.mounts[0].read_only = true;
  EXPECT_FALSE(Make()->has_value()) << "read-only";
  EXPECT_THAT(ReadCgroupRecord(record_), IsEmpty());
}

TEST_F(PodCgroupTest, AParentThatIsNotThereIsRefusedWithTheWayOut) {
  MountUnified();
  const auto made = Make("/pods/two/id");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(made.error().message(),
              AllOf(HasSubstr("'/pods/two' is not there"), HasSubstr("pod_cgroup = false")));
  EXPECT_EQ(Make("../id").error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(PodCgroupTest, NothingIsLeftWhicheverCallFails) {
  const auto cpuset = Mount("cpuset", {"cpuset"});
  const auto memory = Mount("memory", {"memory"});
  Write(cpuset / "cpuset.cpus", "0\n");
  Write(cpuset / "cpuset.mems", "0\n");
  int failures = 0;
  for (int nth = 1;; ++nth) {
    files_.FailCall(nth);
    const auto made = Make();
    files_.FailCall(0);
    if (!made.ok()) {
      EXPECT_THAT(made.error().message(),
                  AllOf(HasSubstr("make cgroup '/pods/one/locket-id'"), HasSubstr("made to fail")));
      ++failures;
    }
    EXPECT_TRUE(RemoveRecordedCgroups(files_, record_, milliseconds(0)).ok());
    EXPECT_FALSE(fs::exists(cpuset / "locket-id")) << nth;
    EXPECT_FALSE(fs::exists(memory / "locket-id")) << nth;
    // A cpuset that cannot be read is left out; then there are eight calls.
    if (made.ok() && (*made)->directories().size() == 2) break;
  }
  EXPECT_EQ(failures, 6);
}

TEST_F(PodCgroupTest, OneThatIsInUseIsToldOfAndTheRestRemoved) {
  const auto memory = Mount("memory", {"memory"});
  const auto unified = MountUnified();
  (void)Made();
  Write(memory / "locket-id/cgroup.procs", "1\n");
  const auto removed = RemoveRecordedCgroups(files_, record_, milliseconds(1));
  ASSERT_FALSE(removed.ok());
  EXPECT_THAT(removed.error().message(), HasSubstr((memory / "locket-id").string()));
  EXPECT_FALSE(fs::exists(unified / "locket-id"));
  EXPECT_TRUE(RemoveRecordedCgroups(files_, dir_.path(), milliseconds(0)).ok()) << "no record";
}

TEST_F(PodCgroupTest, ReadsTheUsageOfVersion1) {
  for (const char* name : {"memory", "cpuacct", "pids"}) Mount(name, {"rw", name});
  MountUnified();
  const PodCgroup cgroup = Made();
  const auto& at = cgroup.directories();
  Write(at[0] / "memory.usage_in_bytes", "1000\n");
  Write(at[0] / "memory.max_usage_in_bytes", "2000\n");
  Write(at[0] / "memory.limit_in_bytes", "9223372036854771712\n");
  Write(at[0].parent_path() / "memory.limit_in_bytes", "5000\n");
  Write(at[0] / "memory.stat",
        "rss 1\ntotal_rss 600\ntotal_cache 300\ntotal_inactive_file 100\ntotal_pgfault 7\n"
        "total_pgmajfault 3\n");
  Write(at[0] / "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  Write(at[1] / "cpuacct.usage", "30\n");
  Write(at[1] / "cpuacct.usage_user", "20\n");
  Write(at[1] / "cpuacct.usage_sys", "10\n");
  Write(at[2] / "pids.current", "5\n");
  Write(at[2] / "pids.max", "max\n");
  Write(at[3] / "cpu.stat", "usage_usec 99\n");
  EXPECT_EQ(cgroup.Usage(), (CgroupUsage{.cpu_ns = 30,
                                         .cpu_user_ns = 20,
                                         .cpu_system_ns = 10,
                                         .memory_bytes = 1000,
                                         .memory_peak_bytes = 2000,
                                         .memory_limit_bytes = 5000,
                                         .anon_bytes = 600,
                                         .file_bytes = 300,
                                         .inactive_file_bytes = 100,
                                         .page_faults = 7,
                                         .major_page_faults = 3,
                                         .oom_kills = 2,
                                         .pids = 5}));
}

TEST_F(PodCgroupTest, ReadsTheUsageOfVersion2AndOfTheParentWhereItsOwnIsMissing) {
  MountUnified();
  const PodCgroup cgroup = Made();
  const auto& own = cgroup.directories()[0];
  const auto pod = own.parent_path();
  Write(own / "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 0\n");
  Write(own / "memory.max", "max\n");
  Write(pod / "memory.max", "5000\n");
  Write(pod / "memory.current", "1000\n");
  Write(pod / "memory.peak", "2000\n");
  Write(pod / "memory.stat", "anon 600\nfile 300\ninactive_file 100\npgfault 7\npgmajfault 3\n");
  Write(pod / "memory.events", "low 0\noom 1\noom_kill 2\noom_group_kill 9\n");
  Write(pod / "pids.current", "5\n");
  Write(pod / "pids.max", "50\n");
  EXPECT_EQ(cgroup.Usage(), (CgroupUsage{.cpu_ns = 30000,
                                         .cpu_user_ns = 20000,
                                         .cpu_system_ns = 10000,
                                         .memory_bytes = 1000,
                                         .memory_peak_bytes = 2000,
                                         .memory_limit_bytes = 5000,
                                         .anon_bytes = 600,
                                         .file_bytes = 300,
                                         .inactive_file_bytes = 100,
                                         .page_faults = 7,
                                         .major_page_faults = 3,
                                         .oom_kills = 2,
                                         .pids = 5,
                                         .pids_limit = 50}));
}

TEST_F(PodCgroupTest, WhatCannotBeReadIsZeroAndNoLimit) {
  MountUnified();
  const PodCgroup cgroup = Made();
  EXPECT_EQ(cgroup.Usage(), CgroupUsage{});
  Write(cgroup.directories()[0] / "memory.current", "12 apples\n");
  EXPECT_EQ(cgroup.Usage().memory_bytes, 0U);
}

}  // namespace
}  // namespace locket::runtime_shim
