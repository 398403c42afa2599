#include "snapshotter/service/cache_admin.h"

#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/snapshots/sealed_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using State = VerifyOutcome::State;

class CacheAdminTest : public SealedTest {
 protected:
  void SetUp() override {
    machine_.limits = {.high_bytes = 1 << 30, .low_bytes = 1 << 30};
    SealedTest::SetUp();
    top_ = PullAll(image_);
    admin_.emplace(snapshots(), *machine_.blobs);
  }
  HeldBlob Find(const std::string& digest) {
    const auto listed = admin_->List();
    for (const HeldBlob& held : *listed) {
      if (held.blob.digest == digest) return held;
    }
    ADD_FAILURE() << "no blob " << digest;
    return {};
  }
  void Damage(const std::string& digest) {
    std::string bytes = *ReadFile(machine_.root.blob(digest), 1 << 20);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    ASSERT_TRUE(ReplaceFileDurably(machine_.root.blob(digest), bytes).ok());
  }

  std::string top_;
  std::optional<CacheAdmin> admin_;
};

TEST_F(CacheAdminTest, ListSaysWhatHoldsEachBlob) {
  ASSERT_TRUE(snapshots().Prepare({.key = "web", .parent = top_}).ok());
  const std::string stray = image::Digest::Of("stray").ToText();
  ASSERT_TRUE(machine_.blobs->Keep(stray, "stray").ok());
  ASSERT_TRUE(*admin_->SetPinned(image_.layer_digests[1], true));
  EXPECT_THAT(*admin_->List(), SizeIs(6));
  const HeldBlob layer = Find(image_.layer_digests[1]);
  EXPECT_EQ(layer.num_snapshots, 1U);
  EXPECT_TRUE(layer.blob.pinned);
  EXPECT_THAT(layer.images, ElementsAre(image_.reference));
  EXPECT_EQ(Find(image_.manifest_digest()).num_snapshots, 4U) << "three layers and a container";
  const HeldBlob held = Find(stray);
  EXPECT_EQ(held.num_snapshots, 0U);
  EXPECT_THAT(held.images, IsEmpty());
}

TEST_F(CacheAdminTest, CollectTakesWhatNothingNeedsBeyondWhatItMayKeep) {
  const std::string stray = image::Digest::Of("stray").ToText();
  ASSERT_TRUE(machine_.blobs->Keep(stray, "stray").ok());
  ASSERT_TRUE(*admin_->SetPinned(stray, true));
  EXPECT_EQ(admin_->Collect(0)->num_removed, 0U) << "it is pinned";
  ASSERT_TRUE(*admin_->SetPinned(stray, false));
  EXPECT_EQ(admin_->Collect(1 << 20)->num_removed, 0U);
  EXPECT_TRUE(machine_.blobs->Has(stray, 5));
  const auto collected = admin_->Collect(0);
  ASSERT_TRUE(collected.ok());
  EXPECT_EQ(collected->num_removed, 1U);
  EXPECT_EQ(collected->bytes_removed, 5U);
  EXPECT_THAT(CachedDigests(*machine_.blobs), SizeIs(5));
  EXPECT_EQ(machine_.blobs->figures().evicted_blobs, 1U);
  EXPECT_EQ(machine_.blobs->figures().evicted_bytes, 5U);
}

TEST_F(CacheAdminTest, VerifyFetchesADamagedBlobThatSnapshotsNeed) {
  for (const std::string& digest :
       {image_.layer_digests[0], image_.manifest_digest(), image_.config_digest()}) {
    SCOPED_TRACE(digest);
    EXPECT_EQ(admin_->Verify(digest, nullptr)->state, State::kGood);
    Damage(digest);
    const auto outcome = admin_->Verify(digest, nullptr);
    ASSERT_TRUE(outcome.ok()) << outcome.error().message();
    EXPECT_EQ(outcome->state, State::kFetchedAgain) << outcome->problem;
    EXPECT_EQ(admin_->Verify(digest, nullptr)->state, State::kGood);
  }
}

TEST_F(CacheAdminTest, VerifySaysWhyADamagedBlobDidNotComeBack) {
  Damage(image_.layer_digests[0]);
  machine_.fetcher.Forget(image_.layer_digests[0]);
  const auto outcome = admin_->Verify(image_.layer_digests[0], nullptr);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->state, State::kRemoved);
  EXPECT_THAT(outcome->problem, HasSubstr("fetch blob " + image_.layer_digests[0]));
}

TEST_F(CacheAdminTest, ADamagedBlobThatNothingNeedsJustGoes) {
  const std::string stray = image::Digest::Of("stray").ToText();
  ASSERT_TRUE(machine_.blobs->Keep(stray, "stray").ok());
  Damage(stray);
  const auto outcome = admin_->Verify(stray, nullptr);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->state, State::kRemoved);
  EXPECT_EQ(outcome->problem, "");
  EXPECT_EQ(admin_->Verify(stray, nullptr).error().code(), ErrorCode::kNotFound);
}

TEST_F(CacheAdminTest, WhatIsNoDigestIsRefusedBeforeItIsAPath) {
  for (const char* text : {"", "sha256:", "sha256:../../etc/passwd", "app:1"}) {
    ExpectError(admin_->Verify(text, nullptr), ErrorCode::kInvalidArgument, "is no digest");
    ExpectError(admin_->SetPinned(text, true), ErrorCode::kInvalidArgument, "is no digest");
  }
  EXPECT_TRUE(fs::is_empty(machine_.root.pins()));
}

TEST_F(CacheAdminTest, ABlobThatIsNotThereYetCanBePinned) {
  const std::string later = image::Digest::Of("later").ToText();
  EXPECT_FALSE(*admin_->SetPinned(later, true));
  ASSERT_TRUE(machine_.blobs->Keep(later, "later").ok());
  EXPECT_EQ(admin_->Collect(0)->num_removed, 0U);
  EXPECT_THAT(CachedDigests(*machine_.blobs), Contains(later));
}

}  // namespace
}  // namespace locket::snapshotter
