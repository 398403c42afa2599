// Disks that leave, fail or hold other bytes while and after an image is opened.
#include <gmock/gmock.h>

#include "tests/guest-mounter/image_opener_fixture.h"

namespace locket::guest_mounter {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST_F(ImageOpenerTest, ADiskOfAnotherSizeIsRefused) {
  disks_.Plug(plain_.digest.Hex().substr(0, 32), {.path = "/dev/sdx", .size_bytes = 4096});
  ImageOpener opener = Opener(Pinning({image_}));
  const auto open = opener.Open(Request(image_));
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().message(), HasSubstr("disk has 4096 bytes, layer has "));
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ImageOpenerTest, ADiskThatLeavesWhileItIsOpenedIsLetGoForTheOneThatComes) {
  const std::string serial = plain_.digest.Hex().substr(0, 32);
  const TestImage one = MakeTestImage({plain_});
  for (const bool at_mount : {false, true}) {
    if (at_mount) {
      mounts_.FailCall(1);
    } else {
      dm_.FailCall(1);
    }
    // The disk that is found first has left by the time that the kernel's answer is judged.
    disks_.OnFound([&] { disks_.Unplug(serial); });
    disks_.OnAwait([&](std::chrono::milliseconds at_most) {
      clock_.Advance(at_most);
      disks_.OnFound({});
      disks_.Plug(serial, {.path = "/dev/sd-new", .size_bytes = plain_.size});
    });
    ImageOpener opener = Opener(Pinning({one}));
    auto open = opener.Open(Request(one));
    ASSERT_TRUE(open.ok()) << open.error().message();
    EXPECT_THAT(dm_.devices().begin()->second.front().params, HasSubstr(" /dev/sd-new "));
    open->reset();
    EXPECT_TRUE(NothingIsLeft());
  }
}

TEST_F(ImageOpenerTest, ADiskThatLeavesForGoodIsToldWithWhatItFailedAt) {
  const TestImage one = MakeTestImage({plain_});
  dm_.FailCall(1);
  disks_.OnFound([&] { disks_.Unplug(plain_.digest.Hex().substr(0, 32)); });
  ImageOpener opener = Opener(Pinning({one}));
  const auto open = opener.Open(Request(one));
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().message(), "layer " + plain_.digest.ToText() +
                                        ": create mapped device 'l0-verity': injected; disk '" +
                                        plain_.digest.Hex().substr(0, 32) +
                                        "' has left or cannot be read");
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ImageOpenerTest, WhatFailsOnADiskThatIsThereIsNotTriedAgain) {
  dm_.FailCall(1);
  disks_.OnAwait([](std::chrono::milliseconds) { ADD_FAILURE() << "nothing to wait for"; });
  ImageOpener opener = Opener(Pinning({image_}));
  const auto open = opener.Open(Request(image_));
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().message(), EndsWith("create mapped device 'l0-verity': injected"));
}

TEST_F(ImageOpenerTest, CorruptionIsNotTriedAgainEvenIfTheDiskLeaves) {
  dm_.SetVerityStatus("C");
  mounts_.FailCall(1);
  disks_.OnFound([&] { disks_.Unplug(plain_.digest.Hex().substr(0, 32)); });
  disks_.OnAwait([](std::chrono::milliseconds) { ADD_FAILURE() << "nothing to wait for"; });
  ImageOpener opener = Opener(Pinning({image_}));
  const auto open = opener.Open(Request(image_));
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code(), ErrorCode::kDataLoss);
}

TEST_F(ImageOpenerTest, ADiskThatDoesNotComeIsWaitedForAndNamed) {
  const auto absent = TestLayer(9);
  const TestImage one = MakeTestImage({absent});
  ImageOpener opener = Opener(Pinning({one}));
  const auto open = opener.Open(Request(one));
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().message(), AllOf(HasSubstr("layer " + absent.digest.ToText()),
                                            HasSubstr("the host did not attach it")));
}

TEST_F(ImageOpenerTest, AMountThatFailsForCorruptionSaysSo) {
  dm_.SetVerityStatus("C");
  mounts_.FailCall(1);
  ImageOpener opener = Opener(Pinning({image_}));
  const auto open = opener.Open(Request(image_));
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(open.error().message(),
            "layer " + plain_.digest.ToText() + ": dm-verity found corrupted data");
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ImageOpenerTest, CorruptionFoundLaterNamesTheLayer) {
  ImageOpener opener = Opener(Pinning({image_}));
  auto open = opener.Open(Request(image_));
  ASSERT_TRUE(open.ok());
  EXPECT_TRUE((*open)->CheckIntact().ok());
  for (const char* status : {"C", "C -", "C 0"}) {
    dm_.SetVerityStatus(status);
    const Status intact = (*open)->CheckIntact();
    ASSERT_FALSE(intact.ok()) << status;
    EXPECT_EQ(intact.error().code(), ErrorCode::kDataLoss);
    EXPECT_EQ(intact.error().message(),
              "layer " + plain_.digest.ToText() + ": dm-verity found corrupted data");
  }
}

TEST_F(ImageOpenerTest, OnlyAFirstWordOfVIsIntact) {
  ImageOpener opener = Opener(Pinning({image_}));
  auto open = opener.Open(Request(image_));
  ASSERT_TRUE(open.ok());
  for (const char* status : {"V", "V -", "V 0"}) {  // Linux up to 6.12, and after it
    dm_.SetVerityStatus(status);
    EXPECT_TRUE((*open)->CheckIntact().ok()) << status;
  }
  for (const char* status : {"", "Valid", "v", " V", "0 V"}) {
    dm_.SetVerityStatus(status);
    const Status intact = (*open)->CheckIntact();
    ASSERT_FALSE(intact.ok()) << status;
    EXPECT_EQ(intact.error().code(), ErrorCode::kInternal);
    EXPECT_THAT(intact.error().message(), HasSubstr("neither V nor C"));
  }
}

}  // namespace
}  // namespace locket::guest_mounter
