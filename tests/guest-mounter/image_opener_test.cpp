// What an opener makes of an image, and what it leaves.
#include <gmock/gmock.h>

#include <algorithm>

#include "guest-mounter/overlay.h"
#include "image/sealed/key_packet.h"
#include "tests/guest-mounter/image_opener_fixture.h"

namespace locket::guest_mounter {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Ne;
using ::testing::StartsWith;

TEST_F(ImageOpenerTest, StacksVerityUnderCryptUnderErofsUnderOverlay) {
  ImageOpener opener = Opener(Pinning({image_}));
  auto open = opener.Open(Request(image_));
  ASSERT_TRUE(open.ok()) << open.error().message();

  ASSERT_EQ(dm_.devices().size(), 3U);
  const auto& verity = dm_.devices().at("l1-verity").front();
  EXPECT_EQ(verity.type, "verity");
  EXPECT_THAT(verity.params, AllOf(HasSubstr(" 16 17 sha256 0202020202020202"),
                                   HasSubstr("/dev/sd-" + encrypted_.digest.Hex().substr(0, 4))));
  const auto& crypt = dm_.devices().at("l1-crypt").front();
  EXPECT_EQ(crypt.params,
            "aes-xts-plain64 @key@ 0 /dev/fake-l1-verity 0 2 sector_size:4096 iv_large_sectors");
  EXPECT_EQ(crypt.num_sectors, 128U);

  const std::string base = (directory_.path() / "layers").string();
  ASSERT_EQ(mounts_.mounts().size(), 4U);
  EXPECT_EQ(mounts_.mounts()[0], (device::MountSpec{.source = "/dev/fake-l0-verity",
                                                    .target = base + "/l0",
                                                    .type = "erofs",
                                                    .read_only = true,
                                                    .nodev = true}));
  EXPECT_EQ(mounts_.mounts()[1].source, "/dev/fake-l1-crypt");
  EXPECT_EQ(mounts_.mounts()[2].type, "tmpfs");
  EXPECT_EQ(mounts_.mounts()[3],
            (device::MountSpec{.source = "overlay",
                               .target = base + "/i2",
                               .type = "overlay",
                               .data = "lowerdir=l1:l0,upperdir=" + base +
                                       "/i2-scratch/upper,workdir=" + base +
                                       "/i2-scratch/work,redirect_dir=nofollow,metacopy=off,"
                                       "index=off,xino=off,nfs_export=off",
                               .relative_to = base,
                               .nodev = true}));
  EXPECT_EQ((*open)->rootfs(), base + "/i2");
  open->reset();
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ImageOpenerTest, OneLayerInTwoContainersIsOneStackUntilTheLastIsGone) {
  const TestImage other = MakeTestImage({plain_}, {"/bin/other"});
  ImageOpener opener = Opener(Pinning({image_, other}));
  auto first = opener.Open(Request(image_));
  auto second = opener.Open(Request(other));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(dm_.devices().size(), 3U);
  first->reset();
  EXPECT_EQ(dm_.devices().size(), 1U);
  EXPECT_TRUE(dm_.devices().contains("l0-verity"));
  second->reset();
  EXPECT_TRUE(NothingIsLeft());
}

// overlayfs refuses a directory that it has among its layers already.
TEST_F(ImageOpenerTest, OfALayerThatIsThereSeveralTimesTheTopmostCounts) {
  const auto third = TestLayer(3);
  Plug(third);
  const TestImage image = MakeTestImage({plain_, encrypted_, plain_, third, encrypted_, third});
  ImageOpener opener = Opener(Pinning({image}));
  auto open = opener.Open(Request(image));
  ASSERT_TRUE(open.ok()) << open.error().message();
  EXPECT_EQ(dm_.devices().size(), 4U) << "one stack for each layer, however often it is there";
  EXPECT_THAT(mounts_.mounts().back().data, StartsWith("lowerdir=l2:l1:l0,upperdir="));
  open->reset();
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ImageOpenerTest, OneKeyIsFetchedOnceForAllLayersItWraps) {
  const auto second = TestLayer(3, &kek_);
  Plug(second);
  const TestImage two = MakeTestImage({encrypted_, second});
  ImageOpener opener = Opener(Pinning({two}));
  ASSERT_TRUE(opener.Open(Request(two)).ok());
  EXPECT_EQ(keys_.calls(), 1);
}

TEST_F(ImageOpenerTest, TheHostMayNameOtherSerials) {
  disks_.Plug("hinted", {.path = "/dev/sd-hinted", .size_bytes = plain_.size});
  const TestImage one = MakeTestImage({plain_});
  OpenRequest request = Request(one);
  request.serials[plain_.digest.ToText()] = "hinted";
  ImageOpener opener = Opener(Pinning({one}));
  const auto open = opener.Open(request);
  ASSERT_TRUE(open.ok());
  EXPECT_THAT(dm_.devices().at("l0-verity").front().params, HasSubstr("/dev/sd-hinted"));
}

TEST_F(ImageOpenerTest, EveryKeyIsCheckedBeforeTheFirstDevice) {
  const std::vector<std::byte> other_kek(image::kKekBytes, std::byte{1});
  const TestImage one = MakeTestImage({plain_, TestLayer(2, &other_kek)});
  ImageOpener opener = Opener(Pinning({one}));
  const auto open = opener.Open(Request(one));
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code(), ErrorCode::kDataLoss) << open.error().message();
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "layers/l0"));
}

TEST_F(ImageOpenerTest, TheBrokersRefusalIsToldWithKeyAndLayer) {
  keys_.FailCall(1);
  ImageOpener opener = Opener(Pinning({image_}));
  const auto open = opener.Open(Request(image_));
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().message(),
            "layer " + encrypted_.digest.ToText() + ": key '" + kTestKeyId + "': injected");
}

TEST_F(ImageOpenerTest, WithoutABrokerEncryptedLayersAreRefused) {
  ImageOpener opener = Opener(Pinning({image_}), /*with_keys=*/false);
  const auto open = opener.Open(Request(image_));
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().message(), EndsWith("it is encrypted and initdata names no [broker]"));
}

TEST_F(ImageOpenerTest, FiveHundredLayersFitAndOneMoreIsRefusedBeforeAnyDevice) {
  std::vector<image::Descriptor> layers;
  for (size_t i = 0; i < kMaxLowerLayers; ++i) {
    layers.push_back(TestLayer(i));
    Plug(layers.back());
  }
  layers.push_back(layers.front());
  const TestImage most = MakeTestImage(layers);
  layers.push_back(TestLayer(kMaxLowerLayers));
  const TestImage more = MakeTestImage(layers);
  ImageOpener opener = Opener(Pinning({most, more}));
  {
    const auto open = opener.Open(Request(most));
    ASSERT_TRUE(open.ok()) << open.error().message();
    const std::string data = mounts_.mounts().back().data;
    EXPECT_EQ(std::ranges::count(data, ':'), kMaxLowerLayers - 1);
  }
  const auto refused = opener.Open(Request(more));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().message(),
            "image " + more.digest().ToText() +
                " has 501 different layers; overlayfs takes 500. Build it from fewer layers");
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(ImageOpenerTest, WhatIsWrittenGoesToTheScratchIfThereIsOne) {
  const auto scratch = directory_.path() / "pod-scratch";
  std::filesystem::create_directory(scratch);
  ImageOpener opener = Opener(Pinning({image_}));
  OpenRequest request = Request(image_);
  request.scratch = scratch;
  auto first = opener.Open(request);
  auto second = opener.Open(request);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(mounts_.mounts(), Each(Field(&device::MountSpec::type, Ne("tmpfs"))));
  std::vector<std::string> directories;
  for (const auto& entry : std::filesystem::directory_iterator(scratch)) {
    directories.push_back(entry.path());
    EXPECT_TRUE(std::filesystem::is_directory(entry.path() / "upper"));
    EXPECT_TRUE(std::filesystem::is_directory(entry.path() / "work"));
  }
  ASSERT_EQ(directories.size(), 2U) << "each container has its own";
  const std::string data = mounts_.mounts().back().data;
  EXPECT_TRUE(data.find("upperdir=" + directories[0]) != std::string::npos ||
              data.find("upperdir=" + directories[1]) != std::string::npos)
      << data;
  first->reset();
  second->reset();
  EXPECT_TRUE(NothingIsLeft());
  EXPECT_TRUE(std::filesystem::is_empty(scratch)) << "and none of what was written";
}

// overlayfs shows the attributes of the upper side.
TEST_F(ImageOpenerTest, TheRootDirectoryHasTheModeThatTheTopmostLayerGivesIt) {
  const auto scratch = directory_.path() / "pod-scratch";
  std::filesystem::create_directory(scratch);
  ImageOpener opener = Opener(Pinning({image_}));
  OpenRequest request = Request(image_);
  request.scratch = scratch;
  const auto open = opener.Open(request);
  ASSERT_TRUE(open.ok());
  const auto mode = [](const std::filesystem::path& path) {
    return std::filesystem::status(path).permissions();
  };
  const auto upper = std::filesystem::directory_iterator(scratch)->path() / "upper";
  EXPECT_EQ(mode(upper), mode(directory_.path() / "layers/l1"));
}

TEST_F(ImageOpenerTest, AFailureLeavesNothingOnTheScratchEither) {
  const auto scratch = directory_.path() / "pod-scratch";
  std::filesystem::create_directory(scratch);
  ImageOpener opener = Opener(Pinning({image_}));
  OpenRequest request = Request(image_);
  request.scratch = scratch;
  mounts_.FailCall(3);  // the overlay
  EXPECT_FALSE(opener.Open(request).ok());
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
  request.scratch = scratch / "absent";
  const auto open = opener.Open(request);
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.error().message(), HasSubstr("absent"));
  EXPECT_TRUE(NothingIsLeft());
}

// Breaks every call in turn until none is left to break, so a step added later is covered unasked.
template <typename Fake>
void BreakEveryCall(Fake& fake, int least, const std::function<bool()>& open,
                    const std::function<bool()>& nothing_is_left) {
  for (int nth = 1;; ++nth) {
    fake.FailCall(nth);
    if (open()) {
      EXPECT_GT(nth, least);
      fake.FailCall(0);
      return;
    }
    EXPECT_TRUE(nothing_is_left()) << "after failing call " << nth;
  }
}

TEST_F(ImageOpenerTest, LeavesNothingBehindWhicheverStepFails) {
  ImageOpener opener = Opener(Pinning({image_}));
  std::unique_ptr<OpenImage> kept;
  const auto open = [&] {
    auto result = opener.Open(Request(image_));
    if (!result.ok()) return false;
    kept = std::move(*result);
    return true;
  };
  const auto nothing_is_left = [&] { return NothingIsLeft(); };
  BreakEveryCall(dm_, 3, open, nothing_is_left);
  kept.reset();
  BreakEveryCall(mounts_, 4, open, nothing_is_left);
  kept.reset();
  BreakEveryCall(disks_, 2, open, nothing_is_left);
  kept.reset();
  BreakEveryCall(keys_, 1, open, nothing_is_left);
  kept.reset();
  EXPECT_TRUE(NothingIsLeft());
}

}  // namespace
}  // namespace locket::guest_mounter
