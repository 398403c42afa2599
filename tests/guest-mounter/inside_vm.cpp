// Runs as PID 1 of a guest instead of the agent (overlay_vm_test.cpp puts it there): overlayfs over
// real layers, on the guest's kernel. Its console output is the result; what the images look like
// goes to the disk "results".
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "device/kernel_dm_control.h"
#include "device/kernel_mount_control.h"
#include "device/sysfs_block_devices.h"
#include "guest-agent/early_boot.h"
#include "guest-agent/module_list.h"
#include "guest-mounter/image_opener.h"
#include "guest-mounter/overlay.h"
#include "tests/cli/image/tree_listing.h"

namespace locket::guest_mounter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// One directory an image: manifest, config, and its layers' serials as JSON.
constexpr char kImages[] = "/test/images";

std::string Content(const fs::path& path) {
  auto text = ReadFile(path, 4 << 20);
  return text.ok() ? *text : text.error().message();
}

class OverlayInVmTest : public ::testing::Test {
 protected:
  static OpenRequest RequestOf(const std::string& name) {
    const auto directory = fs::path(kImages) / name;
    return {.manifest = Content(directory / "manifest"),
            .config = Content(directory / "config"),
            .serials = nlohmann::json::parse(Content(directory / "serials"))};
  }

  Result<std::unique_ptr<OpenImage>> Open(const std::string& name) {
    const OpenRequest request = RequestOf(name);
    opener_.emplace(Seams{.dm = *dm_, .mounts = mounts_, .disks = *disks_, .clock = clock_},
                    initdata::GuestPolicy{.allowed_digests = {image::Digest::Of(request.manifest)}},
                    nullptr, OpenerOptions{.directory = "/run/layers"});
    return opener_->Open(request);
  }

  std::unique_ptr<device::DmControl> dm_ = std::move(*device::OpenKernelDmControl());
  device::KernelMountControl mounts_;
  std::unique_ptr<device::SysfsBlockDevices> disks_ = std::move(*device::SysfsBlockDevices::Open());
  SystemClock clock_;
  std::optional<ImageOpener> opener_;
};

TEST_F(OverlayInVmTest, EveryImageOpensAndIsWrittenDown) {
  nlohmann::json seen;
  for (const auto& entry : fs::directory_iterator(kImages)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("s")) continue;
    const auto open = Open(name);
    ASSERT_TRUE(open.ok()) << name << ": " << open.error().message();
    seen[name] = cli::ListTree((*open)->rootfs());
  }
  const std::string text = seen.dump();
  const auto results = disks_->Find("results");
  ASSERT_TRUE(results.ok() && *results);
  const auto file = OpenFile("/dev/" + (*results)->name, O_WRONLY);
  ASSERT_TRUE(file.ok());
  ASSERT_LT(text.size(), (*results)->size_bytes);
  ASSERT_TRUE(WriteFull(file->get(), std::as_bytes(std::span(text))).ok());
  ASSERT_EQ(::fsync(file->get()), 0);
}

TEST_F(OverlayInVmTest, AnImageThatHasALayerTwiceOpens) {
  const auto open = Open("twice");
  ASSERT_TRUE(open.ok()) << open.error().message();
  EXPECT_EQ(Content((*open)->rootfs() + "/f0"), "0");
  EXPECT_EQ(Content((*open)->rootfs() + "/f1"), "1");
  EXPECT_EQ(Content((*open)->rootfs() + "/shared"), "from 0");
}

TEST_F(OverlayInVmTest, FiveHundredLayersAreOneRootDirectory) {
  const auto begin = std::chrono::steady_clock::now();
  {
    const auto open = Open("most");
    ASSERT_TRUE(open.ok()) << open.error().message();
    for (size_t i = 0; i < kMaxLowerLayers; ++i) {
      ASSERT_EQ(Content((*open)->rootfs() + "/f" + std::to_string(i)), std::to_string(i));
    }
    EXPECT_EQ(Content((*open)->rootfs() + "/shared"), "from 7") << "the top layer repeats number 7";
  }
  EXPECT_TRUE(fs::is_empty("/run/layers"));
  const auto took = std::chrono::steady_clock::now() - begin;
  std::printf("500 layers opened, read and closed in %ld ms\n",
              std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

// Lower layers and a place to write, on a tmpfs, mounted as an image's are.
class HostileLayersInVmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(base_);
    ASSERT_TRUE(mounts_.Mount({.source = "tmpfs", .target = base_, .type = "tmpfs"}).ok());
    for (const char* name : {"low", "up", "writable/upper", "writable/work", "root"}) {
      fs::create_directories(fs::path(base_) / name);
    }
  }
  void TearDown() override {
    EXPECT_TRUE(mounts_.Unmount(Root()).ok());
    EXPECT_TRUE(mounts_.Unmount(base_).ok());
  }

  std::string Root() const { return base_ + "/root"; }
  device::MountSpec Spec() const {
    return OverlayMount({.directory = base_,
                         .layers = {"low", "up"},
                         .writable = base_ + "/writable",
                         .target = Root()});
  }
  void SetXattr(const std::string& path, const char* name, const std::string& value) const {
    ASSERT_EQ(::lsetxattr((base_ + path).c_str(), name, value.data(), value.size(), 0), 0) << path;
  }

  const std::string base_ = "/run/hostile";
  device::KernelMountControl mounts_;
};

TEST_F(HostileLayersInVmTest, WhatALayerSaysOfOtherPlacesIsNotFollowed) {
  fs::create_directories(base_ + "/low/real");
  std::ofstream(base_ + "/low/real/file") << "real";
  std::ofstream(base_ + "/low/content") << "content";
  fs::create_directories(base_ + "/up/moved");
  SetXattr("/up/moved", "trusted.overlay.redirect", "/real");
  std::ofstream(base_ + "/up/stand-in") << "";
  SetXattr("/up/stand-in", "trusted.overlay.metacopy", "");
  SetXattr("/up/stand-in", "trusted.overlay.redirect", "/content");

  // That the kernel would follow, were it not told: the test can fail.
  device::MountSpec lax = Spec();
  lax.data.resize(lax.data.find(",redirect_dir="));
  ASSERT_TRUE(mounts_.Mount(lax).ok());
  EXPECT_EQ(Content(Root() + "/moved/file"), "real");
  ASSERT_TRUE(mounts_.Unmount(Root()).ok());

  const Status mounted = mounts_.Mount(Spec());
  ASSERT_TRUE(mounted.ok()) << mounted.error().message();
  EXPECT_NE(Content(Root() + "/moved/file"), "real");
  EXPECT_NE(Content(Root() + "/stand-in"), "content");
  EXPECT_EQ(Content(Root() + "/real/file"), "real") << "the rest of the image is there";
}

TEST_F(HostileLayersInVmTest, NoDeviceOfAnImageOpens) {
  ASSERT_EQ(::mknod((base_ + "/low/console").c_str(), S_IFCHR | 0666, makedev(5, 1)), 0);
  ASSERT_EQ(::mknod((base_ + "/up/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
  ASSERT_TRUE(mounts_.Mount(Spec()).ok());
  ASSERT_EQ(::mknod((Root() + "/made").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
  for (const char* name : {"/console", "/zero", "/made"}) {
    EXPECT_EQ(::open((Root() + name).c_str(), O_RDONLY | O_CLOEXEC), -1) << name;
    EXPECT_EQ(errno, EACCES) << name;
  }
}

}  // namespace
}  // namespace locket::guest_mounter

int main(int argc, char** argv) {
  using namespace locket::guest_agent;
  for (auto* step : {LeaveInitramfs, MountBase}) {
    if (const auto done = step(); !done.ok()) std::puts(done.error().message().c_str());
  }
  if (const auto done = LoadModules(kBootModules); !done.ok()) {
    std::puts(done.error().message().c_str());
  }
  ::testing::InitGoogleMock(&argc, argv);
  const int status = RUN_ALL_TESTS();
  std::printf("inside-vm: status %d\n", status);
  std::fflush(stdout);
  PowerOff();
}
