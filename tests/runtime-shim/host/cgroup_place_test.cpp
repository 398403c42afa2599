#include "runtime-shim/host/cgroup_place.h"

#include <gmock/gmock.h>

namespace locket::runtime_shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CgroupPlaceTest, ReadsBothForms) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases{
      {"/kubepods/burstable/pod1/id", "kubepods/burstable/pod1", "locket-id"},
      {"/k8s.io/id", "k8s.io", "locket-id"},
      {"/id", "", "locket-id"},
      {"//a//b/id", "a/b", "locket-id"},
      {"a-b-c.slice:cri-containerd:id", "a.slice/a-b.slice/a-b-c.slice", "locket-id.scope"},
      {"system.slice:cri-containerd:id", "system.slice", "locket-id.scope"},
      {"-.slice:cri-containerd:id", "", "locket-id.scope"},
  };
  for (const auto& [text, parent, name] : cases) {
    const auto place = PlaceInCgroups(text, "id");
    ASSERT_TRUE(place.ok()) << place.error().message();
    EXPECT_EQ(*place, (CgroupPlace{.parent = parent, .name = name})) << text;
  }
}

TEST(CgroupPlaceTest, RefusesWhatLeadsElsewhere) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "neither an absolute path nor slice:prefix:name"},
      {"a/b", "neither an absolute path"},
      {"a.slice:b", "neither an absolute path"},
      {"a.slice:b:c:d", "neither an absolute path"},
      {"/", "no name at its end"},
      {"/a/", "no name at its end"},
      {"/a/..", "no name at its end"},
      {"/../a", "'..' in it"},
      {"/a/../../etc/b", "'..' in it"},
      {"/a/./b", "'.' in it"},
      {"/a\nb/c", "not printable"},
      {"/" + std::string(256, 'n') + "/a", "too long"},
      {"/" + std::string(kMaxCgroupsPath, 'n'), "too long"},
      {":cri:id", "'' is no slice"},
      {"a:cri:id", "'a' is no slice"},
      {"../a.slice:cri:id", "is no slice"},
      {"..-a/b.slice:cri:id", "is no slice"},
      {".slice:cri:id", "is no slice"},
      {"a--b.slice:cri:id", "'a--b.slice' is no slice"},
      {"-a.slice:cri:id", "'-a.slice' is no slice"},
      {"a-.slice:cri:id", "'a-.slice' is no slice"},
  };
  for (const auto& [text, reason] : cases) {
    const auto place = PlaceInCgroups(text, "id");
    ASSERT_FALSE(place.ok()) << text;
    EXPECT_EQ(place.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(place.error().message(), HasSubstr(reason)) << text;
  }
}

// cAdvisor goes by 64 characters in a row.
TEST(CgroupPlaceTest, TheNameIsNotTakenForTheContainers) {
  const auto place = PlaceInCgroups("/pod/" + std::string(64, 'a'), std::string(64, 'a'));
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->name, "locket-" + std::string(32, 'a'));
}

TEST(CgroupMountsTest, ReadsAHybridHost) {
  const auto mounts = ParseCgroupMounts(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup "
      "rw,cpu,cpuacct\n"
      "35 31 0:32 / /sys/fs/cgroup/mem\\040ory ro,relatime - cgroup cgroup rw,memory\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 master:2 - cgroup2 cgroup2 ro\n"
      "99 31 0:29 / /elsewhere rw,relatime - cgroup cgroup rw,cpu,cpuacct\n");
  ASSERT_EQ(mounts.size(), 4U);
  EXPECT_EQ(mounts[0].mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_TRUE(mounts[0].Has("cpuacct"));
  EXPECT_FALSE(mounts[0].Has("memory"));
  EXPECT_FALSE(mounts[0].read_only);
  EXPECT_EQ(mounts[1].mount_point, "/sys/fs/cgroup/mem ory");
  EXPECT_TRUE(mounts[1].read_only) << "the mount is";
  EXPECT_TRUE(mounts[2].Has("name=systemd"));
  EXPECT_TRUE(mounts[3].unified);
  EXPECT_TRUE(mounts[3].read_only) << "the file system is";
  EXPECT_THAT(mounts[3].controllers, IsEmpty());
}

TEST(CgroupMountsTest, ReadsAUnifiedHost) {
  EXPECT_THAT(
      ParseCgroupMounts("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"),
      ElementsAre(CgroupMount{.mount_point = "/sys/fs/cgroup", .unified = true}));
}

TEST(CgroupMountsTest, PassesOverWhatIsNoLineOfTheKernels) {
  EXPECT_THAT(ParseCgroupMounts("\n- cgroup2 x rw\n1 2 3 4 5 - cgroup2 x rw\n"
                                "1 2 0:3 / relative rw - cgroup2 x rw\n"
                                "1 2 0:4 / /a\\012b rw - cgroup2 x rw\n"
                                "1 2 0:5 / /short rw - cgroup2 x\n"),
              IsEmpty());
}

}  // namespace
}  // namespace locket::runtime_shim
