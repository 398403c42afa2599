#include "device/mapped_device.h"

#include <gmock/gmock.h>

#include <array>

#include "device/fake_dm_control.h"

namespace locket::device {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::array kTable{DmTarget{.num_sectors = 8, .type = "verity", .params = ""}};

TEST(MappedDeviceTest, LivesAsLongAsItsObject) {
  FakeDmControl dm;
  {
    auto device = MappedDevice::Create(dm, "one", kTable);
    ASSERT_TRUE(device.ok());
    EXPECT_EQ(device->path(), "/dev/fake-one");
    EXPECT_EQ(dm.devices().size(), 1U);
    const MappedDevice moved = std::move(*device);
    EXPECT_EQ(dm.devices().size(), 1U);
  }
  EXPECT_THAT(dm.devices(), IsEmpty());
}

TEST(MappedDeviceTest, SaysWhichDeviceCouldNotBeMade) {
  FakeDmControl dm;
  dm.FailCall(1);
  const auto device = MappedDevice::Create(dm, "one", kTable);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().message(), "create mapped device 'one': injected");
}

TEST(MappedDeviceTest, IsRemovedOnceWhateverRemoveReturned) {
  FakeDmControl dm;
  auto device = MappedDevice::Create(dm, "one", kTable);
  ASSERT_TRUE(device.ok());
  dm.FailCall(1);
  const Status removed = device->Remove();
  ASSERT_FALSE(removed.ok());
  EXPECT_THAT(removed.error().message(), HasSubstr("remove mapped device 'one'"));
  EXPECT_TRUE(device->Remove().ok());
  EXPECT_EQ(dm.devices().size(), 1U);
}

TEST(MappedDeviceTest, ADeviceThatIsOpenGoesWithItsLastUser) {
  FakeDmControl dm;
  {
    const auto device = MappedDevice::Create(dm, "one", kTable);
    ASSERT_TRUE(device.ok());
    dm.SetOpen(true);
  }
  EXPECT_TRUE(dm.devices().contains("one"));
  dm.SetOpen(false);
  EXPECT_THAT(dm.devices(), IsEmpty());
}

TEST(MappedDeviceTest, TellsTheTargetsStatusUntilItIsRemoved) {
  FakeDmControl dm;
  auto device = MappedDevice::Create(dm, "one", kTable);
  ASSERT_TRUE(device.ok());
  dm.SetVerityStatus("C");
  EXPECT_EQ(*device->TargetStatus(), "C");
  ASSERT_TRUE(device->Remove().ok());
  EXPECT_EQ(device->TargetStatus().error().code(), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace locket::device
