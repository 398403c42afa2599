#include "device/block_devices.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"
#include "device/fake_block_devices.h"
#include "device/sysfs_block_devices.h"

namespace locket::device {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST(AwaitDeviceTest, FindsADiskThatComesUpWhileItWaits) {
  FakeBlockDevices disks;
  FakeClock clock;
  disks.OnAwait([&](milliseconds at_most) {
    clock.Advance(at_most);
    disks.Plug("abc", {.path = "/dev/sdb", .size_bytes = 8192});
  });
  const auto found = AwaitDevice(disks, clock, "abc", milliseconds(1000));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, (BlockDevice{.path = "/dev/sdb", .size_bytes = 8192}));
}

TEST(AwaitDeviceTest, GivesUpAtItsTimeAndNamesTheSerial) {
  FakeBlockDevices disks;
  FakeClock clock;
  disks.OnAwait([&](milliseconds at_most) { clock.Advance(at_most); });
  const auto found = AwaitDevice(disks, clock, "abc", milliseconds(1000));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(found.error().message(), HasSubstr("no disk with serial 'abc'"));
  EXPECT_EQ(clock.Steady().time_since_epoch(), milliseconds(1000));
}

TEST(AwaitDeviceTest, AFailureToLookIsNotWaitedOut) {
  FakeBlockDevices disks;
  disks.FailCall(1);
  const auto found = AwaitDevice(disks, FakeClock(), "abc", milliseconds(1000));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kUnavailable);
}

class SysfsBlockDevicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(root_.path() / "block");
    std::filesystem::create_directories(root_.path() / "dev");
    auto opened = SysfsBlockDevices::Open(root_.path() / "block", root_.path() / "dev");
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    disks_ = std::move(*opened);
  }

  void Add(const std::string& name, const std::string& serial, const std::string& size) {
    const auto disk = root_.path() / "block" / name;
    std::filesystem::create_directories(disk / "device");
    std::ofstream(disk / "size") << size << "\n";
    std::ofstream page(disk / "device/vpd_pg80", std::ios::binary);
    page << std::string("\0\x80\0", 3) << static_cast<char>(serial.size()) << serial;
    std::ofstream(root_.path() / "dev" / name) << "";
  }

  TempDir root_ = std::move(TempDir::Create(::testing::TempDir(), "sysfs").value());
  std::unique_ptr<SysfsBlockDevices> disks_;
};

TEST_F(SysfsBlockDevicesTest, FindsADiskByTheSerialOfItsPage80) {
  Add("sda", "locket-initdata", "1");
  Add("sdb", "0123456789abcdef0123456789abcdef", "16");
  const auto found = disks_->Find("0123456789abcdef0123456789abcdef");
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->path, (root_.path() / "dev/sdb").string());
  EXPECT_EQ((*found)->size_bytes, 8192U);
}

TEST_F(SysfsBlockDevicesTest, BlanksAroundASerialDoNotCount) {
  Add("sda", std::string("  abc \0", 7), "16");
  const auto found = disks_->Find("abc");
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->has_value());
}

TEST_F(SysfsBlockDevicesTest, OfTwoWithOneSerialTheFirstByNameIsTaken) {
  Add("sdb", "abc", "16");
  Add("sda", "abc", "8");
  EXPECT_EQ((*disks_->Find("abc"))->size_bytes, 4096U);
}

TEST_F(SysfsBlockDevicesTest, DisksThatAreNotUsableAreNotFound) {
  Add("sda", "zero", "0");
  Add("sdb", "text", "many");
  Add("sdc", "huge", "18446744073709551615");
  Add("vda", "virtio", "8");
  std::filesystem::create_directories(root_.path() / "block/sdd");
  for (const char* serial : {"zero", "text", "huge", "virtio", "absent", ""}) {
    const auto found = disks_->Find(serial);
    ASSERT_TRUE(found.ok()) << serial;
    EXPECT_FALSE(found->has_value()) << serial;
  }
}

TEST_F(SysfsBlockDevicesTest, SaysWhereItCouldNotLook) {
  const auto gone = SysfsBlockDevices::Open(root_.path() / "absent", root_.path());
  ASSERT_TRUE(gone.ok());
  const auto found = (*gone)->Find("abc");
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().message(), HasSubstr("absent'"));
}

}  // namespace
}  // namespace locket::device
