// Runs as PID 1 of a guest instead of the agent (vm_test.cpp puts it there): what needs the
// kernel's device mapper and real disks. Its console output is the result.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/file.h"
#include "base/subprocess.h"
#include "device/kernel_dm_control.h"
#include "device/kernel_mount_control.h"
#include "device/sysfs_block_devices.h"
#include "guest-agent/clock_follower.h"
#include "guest-agent/early_boot.h"
#include "guest-agent/module_list.h"
#include "guest-mounter/file_key_source.h"
#include "guest-mounter/image_opener.h"
#include "tests/device/dm_control_conformance.h"

namespace locket::device {

INSTANTIATE_TEST_SUITE_P(Kernel, DmControlConformanceTest,
                         ::testing::Values(DmControlMaker{
                             "kernel", +[] { return std::move(*OpenKernelDmControl()); }}));

}  // namespace locket::device

namespace locket::guest_mounter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class InsideVmTest : public ::testing::Test {
 protected:
  static std::string Content(const std::string& path) {
    auto text = ReadFile(path, 4 << 20);
    return text.ok() ? *text : text.error().message();
  }

  static std::map<std::string, std::filesystem::path> Keys(const char* file) {
    return {{"kbs:///test/key/one", file}};
  }

  ImageOpener Opener(SecretSource& keys) {
    return ImageOpener({.dm = *dm_, .mounts = mounts_, .disks = *disks_, .clock = clock_},
                       {.allowed_digests = {image::Digest::Of(request_.manifest)}}, &keys,
                       {.directory = "/run/layers"});
  }

  std::unique_ptr<device::DmControl> dm_ = std::move(*device::OpenKernelDmControl());
  device::KernelMountControl mounts_;
  std::unique_ptr<device::SysfsBlockDevices> disks_ = std::move(*device::SysfsBlockDevices::Open());
  SystemClock clock_;
  const OpenRequest request_{.manifest = Content("/test/manifest"),
                             .config = Content("/test/config")};
};

TEST_F(InsideVmTest, AnEncryptedLayerOpensWithItsKeyAndLeavesNothing) {
  FileKeySource keys(Keys("/test/kek"));
  ImageOpener opener = Opener(keys);
  auto open = opener.Open(request_);
  ASSERT_TRUE(open.ok()) << open.error().message();
  EXPECT_EQ(Content((*open)->rootfs() + "/greeting"), "a sealed layer\n");
  auto again = opener.Open(request_);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(Content((*again)->rootfs() + "/greeting"), "a sealed layer\n");
  EXPECT_TRUE((*open)->CheckIntact().ok());
  open->reset();
  EXPECT_EQ(Content((*again)->rootfs() + "/greeting"), "a sealed layer\n") << "still shared";
  again->reset();
  EXPECT_THAT(Content("/proc/mounts"), Not(HasSubstr("/run/layers")));
  EXPECT_TRUE(std::filesystem::is_empty("/run/layers"));
  for (const char* name : {"l0-verity", "l0-crypt"}) {
    EXPECT_EQ(dm_->TargetStatus(name).error().code(), ErrorCode::kNotFound) << name;
  }
}

TEST_F(InsideVmTest, TheWrongKeyOpensNothing) {
  FileKeySource keys(Keys("/test/other-kek"));
  ImageOpener opener = Opener(keys);
  const auto open = opener.Open(request_);
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code(), ErrorCode::kDataLoss);
}

TEST_F(InsideVmTest, ATableTheKernelRefusesLeavesNoDevice) {
  const std::array table{
      device::DmTarget{.num_sectors = 8, .type = "verity", .params = "nonsense"}};
  const auto made = dm_->Create("bad", table, device::DmAccess::kReadOnly);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().message(), HasSubstr("load the table"));
  EXPECT_EQ(dm_->TargetStatus("bad").error().code(), ErrorCode::kNotFound);
}

TEST_F(InsideVmTest, ADeviceThatIsOpenIsNotRemoved) {
  const std::array table{device::DmTarget{.num_sectors = 8, .type = "error", .params = ""}};
  const auto path = dm_->Create("busy", table, device::DmAccess::kReadOnly);
  ASSERT_TRUE(path.ok());
  {
    const UniqueFd held(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(held.valid());
    EXPECT_EQ(dm_->Remove("busy").error().code(), ErrorCode::kFailedPrecondition);
  }
  EXPECT_TRUE(dm_->Remove("busy").ok());
}

TEST_F(InsideVmTest, LocketMounterOpensAnImageByHand) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  auto mounter = Subprocess::Start(
      {"/test/locket-mounter", "--manifest", "/test/manifest", "--config", "/test/config", "--key",
       "kbs:///test/key/one=/test/kek", "--directory", "/run/by-hand"},
      {.stdout_fd = writer.get()});
  writer.reset();
  ASSERT_TRUE(mounter.ok()) << mounter.error().message();
  std::string line(256, '\0');
  const ssize_t got = ::read(reader.get(), line.data(), line.size());
  ASSERT_GT(got, 1);
  line.resize(static_cast<size_t>(got) - 1);
  EXPECT_EQ(Content(line + "/greeting"), "a sealed layer\n");
  EXPECT_TRUE(mounter->Kill(SIGTERM).ok());
  EXPECT_EQ(mounter->Wait(std::chrono::seconds(30)).value(), 0);
  EXPECT_THAT(Content("/proc/mounts"), Not(HasSubstr("/run/by-hand")));
}

}  // namespace
}  // namespace locket::guest_mounter

namespace locket::guest_agent {
namespace {

using std::chrono::seconds;

// Moves this machine's clock; its real-time clock, the host's, goes on as it is.
void MoveClock(seconds by) {
  timeval now{};
  ASSERT_EQ(::gettimeofday(&now, nullptr), 0);
  now.tv_sec += by.count();
  ASSERT_EQ(::settimeofday(&now, nullptr), 0);
}

TEST(ClockInsideVmTest, ItIsSetForwardToTheHostsAndNeverBack) {
  const Clocks clocks = KernelClocks();
  const auto ahead = [&] {
    return std::chrono::round<seconds>(clocks.guest() - clocks.host().value()).count();
  };
  MoveClock(seconds(-1000));
  EXPECT_LT(ahead(), -990);
  const Status followed = FollowClock(clocks);
  ASSERT_TRUE(followed.ok()) << followed.error().message();
  EXPECT_NEAR(static_cast<double>(ahead()), 0, 2);
  MoveClock(seconds(100));
  ASSERT_TRUE(FollowClock(clocks).ok());
  EXPECT_NEAR(static_cast<double>(ahead()), 100, 3);
  MoveClock(seconds(-100));
}

}  // namespace
}  // namespace locket::guest_agent

int main(int argc, char** argv) {
  using namespace locket::guest_agent;
  for (auto* step : {LeaveInitramfs, MountBase}) {
    if (const auto done = step(); !done.ok()) std::puts(done.error().message().c_str());
  }
  for (const auto list : {kBootModules, kScratchModules}) {
    if (const auto done = LoadModules(list); !done.ok()) std::puts(done.error().message().c_str());
  }
  if (const auto done = RaiseOwnLimits(); !done.ok()) std::puts(done.error().message().c_str());
  ::testing::InitGoogleMock(&argc, argv);
  const int status = RUN_ALL_TESTS();
  std::printf("inside-vm: status %d\n", status);
  std::fflush(stdout);
  ::tcdrain(STDOUT_FILENO);
  PowerOff();
}
