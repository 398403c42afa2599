#include "device/mounted.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "device/fake_mount_control.h"

namespace locket::device {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MountedTest : public ::testing::Test {
 protected:
  MountSpec Spec() const {
    return {.source = "tmpfs", .target = (directory_.path() / "here").string(), .type = "tmpfs"};
  }

  FakeMountControl control_;
  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "mounted").value());
};

TEST_F(MountedTest, MountAndDirectoryLiveAsLongAsTheObject) {
  {
    auto mounted = Mounted::Create(control_, Spec());
    ASSERT_TRUE(mounted.ok());
    const Mounted moved = std::move(*mounted);
    EXPECT_TRUE(std::filesystem::exists(moved.target()));
    EXPECT_EQ(control_.mounts().size(), 1U);
  }
  EXPECT_THAT(control_.mounts(), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(MountedTest, AFailedMountLeavesNoDirectory) {
  control_.FailCall(1);
  const auto mounted = Mounted::Create(control_, Spec());
  ASSERT_FALSE(mounted.ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(MountedTest, RefusesADirectoryThatIsNotItsOwn) {
  ASSERT_TRUE(std::filesystem::create_directory(Spec().target));
  const auto mounted = Mounted::Create(control_, Spec());
  ASSERT_FALSE(mounted.ok());
  EXPECT_THAT(mounted.error().message(), HasSubstr("File exists"));
  EXPECT_TRUE(std::filesystem::exists(Spec().target));
}

TEST_F(MountedTest, AMountInUseGoesOutOfSightWithItsObject) {
  {
    const auto mounted = Mounted::Create(control_, Spec());
    ASSERT_TRUE(mounted.ok());
    control_.SetInUse(true);
  }
  EXPECT_THAT(control_.mounts(), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(MountedTest, UnmountIsDoneOnceWhateverItReturned) {
  auto mounted = Mounted::Create(control_, Spec());
  ASSERT_TRUE(mounted.ok());
  control_.FailCall(1);
  EXPECT_FALSE(mounted->Unmount().ok());
  EXPECT_TRUE(mounted->Unmount().ok());
  EXPECT_EQ(control_.mounts().size(), 1U);
}

}  // namespace
}  // namespace locket::device
