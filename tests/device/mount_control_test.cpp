// One suite for the fake and the kernel's mount(2); the kernel's needs root and a namespace of its
// own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>

#include "base/file.h"
#include "device/fake_mount_control.h"
#include "device/kernel_mount_control.h"

namespace locket::device {
namespace {

using ::testing::HasSubstr;

struct Maker {
  const char* name;
  bool needs_root;
  std::unique_ptr<MountControl> (*make)();
  friend std::ostream& operator<<(std::ostream& out, const Maker& maker) {
    return out << maker.name;
  }
};

const Maker kFake{"memory", false, +[] {
                    return std::unique_ptr<MountControl>(std::make_unique<FakeMountControl>());
                  }};
const Maker kKernel{"kernel", true, +[] {
                      return std::unique_ptr<MountControl>(std::make_unique<KernelMountControl>());
                    }};

class MountControlConformanceTest : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    if (GetParam().needs_root) {
      if (::geteuid() != 0) GTEST_SKIP() << "needs root for mount(2)";
      if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs a mount namespace of its own";
      ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    }
    auto made = TempDir::Create(::testing::TempDir(), "mount");
    ASSERT_TRUE(made.ok());
    directory_.emplace(std::move(*made));
    target_ = (directory_->path() / "target").string();
    ASSERT_TRUE(std::filesystem::create_directory(target_));
  }

  std::unique_ptr<MountControl> control_ = GetParam().make();
  std::optional<TempDir> directory_;
  std::string target_;
};

TEST_P(MountControlConformanceTest, WhatIsWrittenGoesWithTheMount) {
  const MountSpec spec{.source = "tmpfs", .target = target_, .type = "tmpfs"};
  const Status mounted = control_->Mount(spec);
  ASSERT_TRUE(mounted.ok()) << mounted.error().message();
  std::ofstream(target_ + "/file") << "text";
  ASSERT_TRUE(control_->Unmount(target_).ok());
  EXPECT_TRUE(std::filesystem::is_empty(target_));
}

TEST_P(MountControlConformanceTest, UnmountingWhatIsNotMountedSucceeds) {
  EXPECT_TRUE(control_->Unmount(target_).ok());
  EXPECT_TRUE(control_->Unmount(target_ + "/absent").ok());
}

TEST_P(MountControlConformanceTest, OptionsThatTheKernelWouldCutOffAreRefused) {
  MountSpec spec{.source = "tmpfs", .target = target_, .type = "tmpfs", .data = "mode=0700"};
  while (spec.data.size() <= kMaxMountDataBytes) spec.data += ",mode=0700";
  const Status mounted = control_->Mount(spec);
  ASSERT_FALSE(mounted.ok());
  EXPECT_EQ(mounted.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(mounted.error().message(), HasSubstr("bytes; the kernel takes 4095"));
  spec.data.resize(kMaxMountDataBytes - kMaxMountDataBytes % 10 - 1);
  EXPECT_TRUE(control_->Mount(spec).ok());
  EXPECT_TRUE(control_->Unmount(target_).ok());
}

TEST_P(MountControlConformanceTest, DetachingTakesTheMountOutOfSight) {
  ASSERT_TRUE(control_->Mount({.source = "tmpfs", .target = target_, .type = "tmpfs"}).ok());
  std::ofstream(target_ + "/file") << "text";
  EXPECT_TRUE(control_->Detach(target_).ok());
  EXPECT_TRUE(std::filesystem::is_empty(target_));
  EXPECT_TRUE(control_->Detach(target_).ok()) << "twice is fine";
}

INSTANTIATE_TEST_SUITE_P(Fake, MountControlConformanceTest, ::testing::Values(kFake));
INSTANTIATE_TEST_SUITE_P(Kernel, MountControlConformanceTest, ::testing::Values(kKernel));

class KernelMountControlTest : public MountControlConformanceTest {};
INSTANTIATE_TEST_SUITE_P(Kernel, KernelMountControlTest, ::testing::Values(kKernel));

TEST_P(KernelMountControlTest, SaysWhatItCouldNotMountAndWhy) {
  const Status mounted =
      control_->Mount({.source = "none", .target = target_, .type = "no-such-fs"});
  ASSERT_FALSE(mounted.ok());
  EXPECT_EQ(mounted.error().message(),
            "mount no-such-fs 'none' on '" + target_ + "': No such device");
}

TEST_P(KernelMountControlTest, AMountInUseIsAPrecondition) {
  ASSERT_TRUE(control_->Mount({.source = "tmpfs", .target = target_, .type = "tmpfs"}).ok());
  {
    const std::ofstream open(target_ + "/file");
    const Status unmounted = control_->Unmount(target_);
    ASSERT_FALSE(unmounted.ok());
    EXPECT_EQ(unmounted.error().code(), ErrorCode::kFailedPrecondition);
  }
  EXPECT_TRUE(control_->Unmount(target_).ok());
}

TEST_P(KernelMountControlTest, AMountInUseCanBeDetached) {
  ASSERT_TRUE(control_->Mount({.source = "tmpfs", .target = target_, .type = "tmpfs"}).ok());
  std::ofstream open(target_ + "/file");
  EXPECT_TRUE(control_->Detach(target_).ok());
  EXPECT_TRUE(std::filesystem::is_empty(target_));
  EXPECT_TRUE((open << "still there" << std::flush).good());
}

TEST_P(KernelMountControlTest, OptionsMayNamePathsFromADirectoryAndNobodyElseIsMovedThere) {
  const auto base = directory_->path() / "tree";
  ASSERT_TRUE(control_->Mount({.source = "tmpfs", .target = target_, .type = "tmpfs"}).ok());
  std::filesystem::create_directories(target_ + "/upper");
  std::filesystem::create_directories(target_ + "/work");
  std::filesystem::create_directories(base / "low");
  std::filesystem::create_directories(base / "root");
  std::ofstream(base / "low/file") << "text";
  const auto before = std::filesystem::current_path();
  const Status mounted = control_->Mount(
      {.source = "overlay",
       .target = (base / "root").string(),
       .type = "overlay",
       .data = "lowerdir=low,upperdir=" + target_ + "/upper,workdir=" + target_ + "/work",
       .relative_to = base.string()});
  ASSERT_TRUE(mounted.ok()) << mounted.error().message();
  EXPECT_TRUE(std::filesystem::exists(base / "root/file"));
  EXPECT_EQ(std::filesystem::current_path(), before);
  EXPECT_TRUE(control_->Unmount((base / "root").string()).ok());
  EXPECT_TRUE(control_->Unmount(target_).ok());
}

TEST_P(KernelMountControlTest, NodevMeansThatNoDeviceOpens) {
  ASSERT_TRUE(
      control_->Mount({.source = "tmpfs", .target = target_, .type = "tmpfs", .nodev = true}).ok());
  ASSERT_EQ(::mknod((target_ + "/zero").c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
  EXPECT_EQ(::open((target_ + "/zero").c_str(), O_RDONLY | O_CLOEXEC), -1);
  EXPECT_EQ(errno, EACCES);
  EXPECT_TRUE(control_->Unmount(target_).ok());
}

TEST_P(KernelMountControlTest, ReadOnlyMeansReadOnly) {
  ASSERT_TRUE(
      control_->Mount({.source = "tmpfs", .target = target_, .type = "tmpfs", .read_only = true})
          .ok());
  EXPECT_FALSE(std::ofstream(target_ + "/file").is_open());
  EXPECT_TRUE(control_->Unmount(target_).ok());
}

}  // namespace
}  // namespace locket::device
