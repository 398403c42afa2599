#include "guest-agent/policy/volumes.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "device/fake_mount_control.h"
#include "guest-agent/policy/guest_config.h"

namespace locket::guest_agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kKubelet = "/var/lib/kubelet/pods/0f3c-uid/volumes/kubernetes.io~empty-dir/";

TEST(EmptyVolumeNameTest, IsTheLastPartOfKubeletsDirectoryAndOfNothingElse) {
  EXPECT_EQ(EmptyVolumeName(kKubelet + "data"), "data");
  EXPECT_EQ(EmptyVolumeName("/k/pods/u/volumes/kubernetes.io~empty-dir/a.b-c"), "a.b-c");
  EXPECT_EQ(EmptyVolumeName("/pods/u/volumes/kubernetes.io~empty-dir/a"), "a");
  for (const char* other :
       {"", "/", "data", "pods/u/volumes/kubernetes.io~empty-dir/a",
        "/k/pods/u/volumes/kubernetes.io~empty-dir/",
        "/k/pods/u/volumes/kubernetes.io~empty-dir/..",
        "/k/pods/u/volumes/kubernetes.io~empty-dir/a/b", "/k/pods/u/volumes/kubernetes.io~secret/a",
        "/k/pods/u/kubernetes.io~empty-dir/a", "/k/pods/../volumes/kubernetes.io~empty-dir/a",
        "/k/cods/u/volumes/kubernetes.io~empty-dir/a",
        "/k/pods/u/volumes/kubernetes.io~empty-dir/a b",
        "/k/pods/u/volume-subpaths/a/container/0"}) {
    EXPECT_EQ(EmptyVolumeName(other), std::nullopt) << other;
  }
  EXPECT_EQ(EmptyVolumeName(kKubelet + std::string(254, 'a')), std::nullopt);
}

TEST(ChooseVolumesTest, TakesEmptyVolumesAtListedPathsAndNamesTheRest) {
  const auto chosen = ChooseVolumes({{.destination = "/proc", .source = "proc"},
                                     {.destination = "/data", .source = kKubelet + "data"},
                                     {.destination = "/cache",
                                      .source = kKubelet + "cache",
                                      .options = {"rbind", "rprivate", "ro"}},
                                     {.destination = "/data/", .source = kKubelet + "x"},
                                     {.destination = "/app", .source = kKubelet + "data"},
                                     {.destination = "/data", .source = "/host/data"},
                                     {.destination = "/etc/hosts", .source = "/host/hosts"}},
                                    {"/data", "/cache"});
  EXPECT_THAT(
      chosen.mounts,
      ElementsAre(VolumeMount{.name = "data", .destination = "/data", .read_only = false},
                  VolumeMount{.name = "cache", .destination = "/cache", .read_only = true}));
  const std::string way_out = " (an empty volume: see allow_volumes of initdata's [agent])";
  EXPECT_THAT(chosen.left_out, ElementsAre("mount at '/data/'" + way_out,
                                           "mount at '/app'" + way_out, "mount at '/data'"));
}

TEST(ChooseVolumesTest, WithoutAListThereIsNone) {
  const auto chosen =
      ChooseVolumes({{.destination = "/data", .source = kKubelet + "data"}}, /*allowed=*/{});
  EXPECT_THAT(chosen.mounts, IsEmpty());
  EXPECT_EQ(chosen.left_out.size(), 1U);
}

TEST(ChooseVolumesTest, OneDestinationIsOneVolume) {
  const auto chosen = ChooseVolumes({{.destination = "/data", .source = kKubelet + "one"},
                                     {.destination = "/data", .source = kKubelet + "two"}},
                                    {"/data"});
  ASSERT_EQ(chosen.mounts.size(), 1U);
  EXPECT_EQ(chosen.mounts[0].name, "one");
  EXPECT_THAT(chosen.left_out, ElementsAre("mount at '/data'"));
}

TEST(ChooseVolumesTest, TheSpecMountsTheGuestsDirectoryAndNeverTheHosts) {
  HostRequest host{
      .args = {"/bin/app"},
      .mounts = {{.destination = "/data", .source = kKubelet + "data"},
                 {.destination = "/dev/shm", .source = kKubelet + "shm", .options = {"ro"}}}};
  auto config =
      ApplyPolicy({.argv = {"/bin/app"}, .env = {}, .working_directory = "", .uid = 0, .gid = 0},
                  host, {.every_image = {.allow_volumes = {"/data", "/dev/shm"}}});
  ASSERT_TRUE(config.ok()) << config.error().message();
  ASSERT_EQ(config->volumes.size(), 2U);
  for (auto& volume : config->volumes) volume.directory = "/guest/" + volume.name;
  const std::string text =
      EncodeGuestConfig(*config, {.container_id = "c", .rootfs = "/r", .etc = "/e"});
  EXPECT_EQ(text.find("kubelet"), std::string::npos);
  const auto mounts = nlohmann::json::parse(text).at("mounts");
  const auto& data = mounts[mounts.size() - 2];
  EXPECT_EQ(data.at("destination"), "/data");
  EXPECT_EQ(data.at("source"), "/guest/data");
  EXPECT_EQ(data.at("options"), nlohmann::json({"bind", "rw", "nosuid", "nodev"}));
  EXPECT_EQ(mounts.back().at("destination"), "/dev/shm") << "after the guest's own, so on top";
  EXPECT_EQ(mounts.back().at("options"), nlohmann::json({"bind", "ro", "nosuid", "nodev"}));
}

class EmptyVolumesTest : public ::testing::Test {
 protected:
  static mode_t ModeOf(const std::filesystem::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777U;
  }
  TempDir root_ = std::move(TempDir::Create(::testing::TempDir(), "volumes").value());
  device::FakeMountControl mounts_;
};

TEST_F(EmptyVolumesTest, OneNameIsOneDirectoryOnATmpfsThatTheFirstBrings) {
  {
    EmptyVolumes volumes(mounts_, root_.path() / "run/volumes");
    EXPECT_THAT(mounts_.mounts(), IsEmpty());
    const auto one = volumes.Open("one");
    const auto two = volumes.Open("two");
    ASSERT_TRUE(one.ok() && two.ok()) << one.error().message();
    EXPECT_NE(*one, *two);
    EXPECT_EQ(*volumes.Open("one"), *one);
    EXPECT_EQ(ModeOf(*one), 0777U);
    ASSERT_EQ(mounts_.mounts().size(), 1U);
    EXPECT_EQ(mounts_.mounts()[0].type, "tmpfs");
    EXPECT_TRUE(mounts_.mounts()[0].nodev && mounts_.mounts()[0].nosuid);
    EXPECT_EQ(one->parent_path(), mounts_.mounts()[0].target);
  }
  EXPECT_THAT(mounts_.mounts(), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(root_.path() / "run"));
}

TEST_F(EmptyVolumesTest, WithAScratchTheyAreOnIt) {
  EmptyVolumes volumes(mounts_, root_.path() / "run/volumes");
  volumes.UseScratch(root_.path() / "scratch");
  const auto one = volumes.Open("one");
  ASSERT_TRUE(one.ok()) << one.error().message();
  EXPECT_EQ(*one, root_.path() / "scratch/volumes/one");
  EXPECT_TRUE(std::filesystem::is_empty(*one));
  EXPECT_THAT(mounts_.mounts(), IsEmpty());
}

TEST_F(EmptyVolumesTest, AFailureNamesTheVolumeAndCanBeRepeated) {
  EmptyVolumes volumes(mounts_, root_.path() / "run/volumes");
  mounts_.FailCall(1);
  EXPECT_EQ(volumes.Open("one").error().message(), "volume 'one': injected");
  EXPECT_TRUE(volumes.Open("one").ok());
  EXPECT_EQ(volumes.Open("../x").error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(EmptyVolumesTest, ThereIsAnEndToThem) {
  EmptyVolumes volumes(mounts_, root_.path() / "run/volumes");
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(volumes.Open(std::to_string(i)).ok());
  EXPECT_EQ(volumes.Open("one more").error().code(), ErrorCode::kInvalidArgument) << "no name";
  const auto more = volumes.Open("one-more");
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(more.error().message(), HasSubstr("volume 'one-more': too many"));
  EXPECT_TRUE(volumes.Open("7").ok());
}

}  // namespace
}  // namespace locket::guest_agent
