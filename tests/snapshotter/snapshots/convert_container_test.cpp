// A container of an ordinary image that was converted runs by that image's own config, whatever
// else has the same layers.
#include "tests/snapshotter/snapshots/convert_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::SizeIs;

class ConvertContainerTest : public ConvertPrepareTest {
 protected:
  // The same layers, another config.
  const TestImage other_ = MakeVariedImage("127.0.0.1:5000/other:12", "root");
  const TestImage base_ = MakeOrdinaryImage("127.0.0.1:5000/base:1", {Gzip(BaseTar())}, "app");
};

TEST_F(ConvertContainerTest, TwoImagesOfEqualLayersRunEachByItsOwnConfig) {
  const std::string top = PullAll(image_);
  ASSERT_EQ(other_.chain_ids, image_.chain_ids);
  const int fetches = machine_.fetcher.num_blob_fetches();
  ASSERT_TRUE(Run("first", image_, top).ok());
  const auto second = Run("second", other_, top);
  ASSERT_TRUE(second.ok()) << second.error().message();
  ExpectTold("first", Sealed(image_, "1000:1001"));
  ExpectTold("second", Sealed(other_, "0:0"));
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), fetches) << "all of it was there";
}

TEST_F(ConvertContainerTest, ABaseRunsThoughAnImageBuiltOnItWasPulledFirst) {
  std::string bottom = PullAll(image_);
  while (!snapshots().Stat(bottom)->parent.empty()) bottom = snapshots().Stat(bottom)->parent;
  const auto mounts = Run("web", base_, bottom);
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ExpectTold("web", Sealed(base_, "1000:1001"));
}

TEST_F(ConvertContainerTest, WhatWasConvertedRunsAfterConversionWasTurnedOff) {
  const std::string top = PullAll(image_);
  machine_.convert.enabled = false;
  ASSERT_TRUE(machine_.Restart().ok());
  const auto mounts = Run("web", image_, top);
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ExpectTold("web", Sealed(image_, "1000:1001"));
  ExpectError(Run("late", other_, top), ErrorCode::kFailedPrecondition,
              "image '127.0.0.1:5000/other:12': it is not to be converted, but its layers were");
}

TEST_F(ConvertContainerTest, AnExceptionIsNotConvertedForTheSakeOfItsLayers) {
  const std::string top = PullAll(image_);
  machine_.convert.except = {"*/other:*"};
  ASSERT_TRUE(machine_.Restart().ok());
  ExpectError(Run("web", other_, top), ErrorCode::kFailedPrecondition,
              "see convert, convert_images and convert_except");
  ExpectError(Told("web"), ErrorCode::kNotFound, "rootfs.json");
}

TEST_F(ConvertContainerTest, LostDocumentsAreMadeAgain) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(Run("web", other_, top).ok());
  const TestImage expected = Sealed(other_, "0:0");
  for (const std::string& digest : {expected.manifest_digest(), expected.config_digest()}) {
    for (const bool restart : {false, true}) {
      fs::remove(machine_.root.blob(digest));
      if (restart) {
        ASSERT_TRUE(machine_.Restart().ok());
      }
      const auto mounts = snapshots().Mounts(SnapshotOf("web"));
      ASSERT_TRUE(mounts.ok()) << mounts.error().message();
      ExpectTold("web", expected);
    }
  }
}

TEST_F(ConvertContainerTest, WhoWaitsForTheConversionMayGiveUp) {
  const std::string top = PullAll(image_);
  fs::remove_all(machine_.root.converted());
  fs::create_directory(machine_.root.converted());
  ASSERT_TRUE(machine_.Restart().ok());
  other_.AddTo(machine_.fetcher);
  machine_.containerd.AddImage("k8s.io", other_);
  ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf("web"), .parent = top}).ok());
  CreateRecord("web", other_);
  machine_.fetcher.Hold();
  ExpectError(snapshots().Mounts(SnapshotOf("web"), [] { return true; }), ErrorCode::kCancelled,
              "the conversion goes on");
  machine_.fetcher.Release();
  const auto mounts = snapshots().Mounts(SnapshotOf("web"));
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ExpectTold("web", Sealed(other_, "0:0"));
}

}  // namespace
}  // namespace locket::snapshotter
