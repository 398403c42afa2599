#include "runtime-shim/hypervisor/qemu_disks.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "runtime-shim/hypervisor/qemu_args.h"
#include "tests/runtime-shim/hypervisor/fake_qmp.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr milliseconds kPatience{20'000};

class QemuDisksTest : public ::testing::Test {
 protected:
  QemuDisksTest() : dir_(TempDir::Create("/tmp", "shim-disks").value()) {
    EXPECT_TRUE(ReplaceFileDurably(dir_.path() / "blob", "x").ok());
    Connect(kPatience);
  }
  void Connect(milliseconds timeout) {
    disks_.reset();
    client_.reset();
    qemu_ = std::make_unique<FakeQmp>();
    client_ = QmpClient::Create(qemu_->TakeClient(), timeout).value();
    disks_ = std::make_unique<QemuDisks>(*client_, spec_);
  }
  DiskSpec Disk(const std::string& id) const {
    return {.id = id, .path = dir_.path() / "blob", .serial = id};
  }
  ScsiAddress PlaceOf(const std::string& id) const {
    const auto device = qemu_->devices().at("disk-" + id);
    return {.target = device["scsi-id"], .lun = device["lun"]};
  }
  TempDir dir_;
  VmSpec spec_{.name = "t",
               .dir = {},
               .kernel = {},
               .initrd = {},
               .cmdline = {},
               .memory_mib = 1,
               .vcpus = 1,
               .accelerator = Accelerator::kTcg};
  std::unique_ptr<FakeQmp> qemu_;
  std::unique_ptr<QmpClient> client_;
  std::unique_ptr<QemuDisks> disks_;
};

TEST_F(QemuDisksTest, LeaveNothingBehind) {
  ASSERT_TRUE(disks_->Attach(Disk("layer-1")).ok());
  EXPECT_THAT(qemu_->nodes(), SizeIs(1));
  ASSERT_TRUE(disks_->Detach("layer-1").ok());
  EXPECT_THAT(qemu_->nodes(), IsEmpty());
  EXPECT_THAT(qemu_->devices(), IsEmpty());
}

// The guest handles a removal and an arrival in any order.
TEST_F(QemuDisksTest, APlaceIsUsedAgainOnlyOnceAllOthersWere) {
  std::set<std::pair<uint32_t, uint32_t>> seen;
  for (uint32_t i = kFirstHotplugIndex; i < kMaxDisks; ++i) {
    const std::string id = "layer-" + std::to_string(i);
    ASSERT_TRUE(disks_->Attach(Disk(id)).ok());
    const ScsiAddress place = PlaceOf(id);
    EXPECT_TRUE(seen.emplace(place.target, place.lun).second) << i;
    EXPECT_LT(place.lun, 256U);
    ASSERT_TRUE(disks_->Detach(id).ok());
  }
  ASSERT_TRUE(disks_->Attach(Disk("again")).ok());
  EXPECT_EQ(PlaceOf("again"), DiskAddress(kFirstHotplugIndex));
}

TEST_F(QemuDisksTest, FullIsFullAndSaysHowMany) {
  for (uint32_t i = kFirstHotplugIndex; i < kMaxDisks; ++i) {
    ASSERT_TRUE(disks_->Attach(Disk("layer-" + std::to_string(i))).ok());
  }
  const auto more = disks_->Attach(Disk("more"));
  EXPECT_EQ(more.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(more.error().message(), HasSubstr("4094 different layers"));
  ASSERT_TRUE(disks_->Detach("layer-7").ok());
  ASSERT_TRUE(disks_->Attach(Disk("more")).ok());
  EXPECT_EQ(PlaceOf("more"), DiskAddress(7));
}

TEST_F(QemuDisksTest, TheLaunchedOnesKeepTheirPlaces) {
  spec_.initdata = Disk("initdata");
  Connect(kPatience);
  EXPECT_EQ(disks_->Attach(Disk("initdata")).error().code(), ErrorCode::kAlreadyExists);
  ASSERT_TRUE(disks_->Attach(Disk("layer-1")).ok());
  EXPECT_EQ(PlaceOf("layer-1"), DiskAddress(kFirstHotplugIndex));
}

TEST_F(QemuDisksTest, OneThatHasNotLeftYetKeepsIdAndPlaceAndGoesLater) {
  ASSERT_TRUE(disks_->Attach(Disk("layer-1")).ok());
  const ScsiAddress place = PlaceOf("layer-1");
  qemu_->Refuse("device_del");
  EXPECT_THAT(disks_->Detach("layer-1").error().message(), HasSubstr("device_del: made to fail"));
  EXPECT_EQ(disks_->Detach("layer-1").error().code(), ErrorCode::kNotFound) << "it is leaving";
  EXPECT_EQ(disks_->Attach(Disk("layer-1")).error().code(), ErrorCode::kAlreadyExists);
  ASSERT_TRUE(disks_->Attach(Disk("layer-2")).ok());
  EXPECT_NE(PlaceOf("layer-2"), place);
}

TEST_F(QemuDisksTest, AnEventThatComesLateFreesTheRest) {
  ASSERT_TRUE(disks_->Attach(Disk("layer-1")).ok());
  qemu_->Refuse("blockdev-del");
  EXPECT_FALSE(disks_->Detach("layer-1").ok());
  EXPECT_THAT(qemu_->nodes(), SizeIs(1));
  qemu_->Obey("blockdev-del");
  ASSERT_TRUE(disks_->Attach(Disk("layer-2")).ok());
  EXPECT_EQ(qemu_->nodes(), std::set<std::string>{"layer-2"});
}

TEST_F(QemuDisksTest, AFailedAttachLeavesNothingWhicheverStepFails) {
  for (const char* command : {"blockdev-add", "device_add"}) {
    qemu_->Refuse(command);
    EXPECT_THAT(disks_->Attach(Disk("layer-1")).error().message(), HasSubstr(command));
    EXPECT_THAT(qemu_->nodes(), IsEmpty());
    qemu_->Obey(command);
  }
  EXPECT_TRUE(disks_->Attach(Disk("layer-1")).ok());
}

TEST_F(QemuDisksTest, ASilentQemuIsToldFromOneThatRefuses) {
  Connect(milliseconds(30));
  qemu_->Ignore("blockdev-add");
  EXPECT_EQ(disks_->Attach(Disk("layer-1")).error().code(), ErrorCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace locket::runtime_shim
