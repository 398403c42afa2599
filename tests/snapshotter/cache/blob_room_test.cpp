// What a size that a manifest claims may cost the blobs of others.
#include <fcntl.h>

#include <limits>
#include <thread>

#include "image/oci/media_type.h"
#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/cache/small_disk.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr uint64_t kMiB = 1U << 20;

class BlobRoomTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "needs root to mount a small tmpfs";
    root_.emplace(std::move(RootDirectory::Open(disk_.path())).value());
    blobs_.emplace(*root_, fetcher_, CacheLimits{.high_bytes = 1ULL << 40, .low_bytes = 1});
    blobs_->SetUsedBy([this](const std::string& digest) { return digest == used_; });
    for (const char fill : {'a', 'b', 'c', 'd'}) {
      const std::string bytes(8 * kMiB, fill);
      kept_.push_back(image::Digest::Of(bytes).ToText());
      ASSERT_TRUE(blobs_->Keep(kept_.back(), bytes).ok());
      const timespec used{.tv_sec = 1'700'000'000 + fill, .tv_nsec = 0};
      const timespec times[] = {used, used};
      ASSERT_EQ(::utimensat(AT_FDCWD, root_->blob(kept_.back()).c_str(), times, 0), 0);
    }
    used_ = kept_[0];
  }
  static image::Descriptor Claim(uint64_t size, const std::string& content = "small") {
    image::Descriptor blob = image::DescriptorOf(image::kSealedLayer, content);
    blob.size = size;
    return blob;
  }

  SmallDisk disk_{"64m"};
  FakeFetcher fetcher_;
  std::vector<std::string> kept_;  // least recently used first
  std::string used_;
  std::optional<RootDirectory> root_;
  std::optional<BlobCache> blobs_;
};

TEST_F(BlobRoomTest, AClaimThatNeverFitsRemovesNothingAndAsksNobody) {
  // With the 24 MiB that nothing needs there would be room for 56.
  for (const uint64_t size : std::initializer_list<uint64_t>{
           57 * kMiB, 1ULL << 40, 1ULL << 62, 1ULL << 63, std::numeric_limits<uint64_t>::max()}) {
    SCOPED_TRACE(size);
    const auto refused = blobs_->Ensure("r/i:1", Claim(size));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted) << refused.error().message();
    EXPECT_THAT(refused.error().message(),
                ::testing::HasSubstr("no room for its " + std::to_string(size) + " bytes"));
    EXPECT_THAT(CachedDigests(*blobs_), SizeIs(4));
  }
  EXPECT_EQ(fetcher_.num_blob_fetches(), 0);
}

TEST_F(BlobRoomTest, ManySuchClaimsAtOnceRemoveNothingEither) {
  std::vector<std::jthread> pulls;
  for (uint64_t i = 0; i < 16; ++i) {
    pulls.emplace_back([this, i] {
      EXPECT_FALSE(blobs_->Ensure("r/i:1", Claim(57 * kMiB + i * kMiB, std::to_string(i))).ok());
    });
  }
  pulls.clear();
  EXPECT_THAT(CachedDigests(*blobs_), SizeIs(4));
  EXPECT_GE(fs::space(disk_.path()).free, 31 * kMiB) << "a reservation is left";
}

TEST_F(BlobRoomTest, WhatFitsTakesTheRoomOfAsFewAsItNeeds) {
  const std::string content(34 * kMiB, 'n');
  fetcher_.Add(content);
  const auto fetched = blobs_->Ensure("r/i:1", image::DescriptorOf("t", content));
  ASSERT_TRUE(fetched.ok()) << fetched.error().message();
  const auto left = blobs_->List();
  ASSERT_TRUE(left.ok());
  std::vector<std::string> digests;
  for (const CachedBlob& blob : *left) digests.push_back(blob.digest);
  EXPECT_THAT(digests,
              ElementsAre(kept_[0], kept_[2], kept_[3], image::Digest::Of(content).ToText()))
      << "the least recently used of those that nothing needs";
}

TEST_F(BlobRoomTest, AClaimThatLiesWithinTheDiskLeavesNoReservation) {
  fetcher_.Add("small");
  const auto refused = blobs_->Ensure("r/i:1", Claim(30 * kMiB));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kDataLoss) << refused.error().message();
  EXPECT_THAT(CachedDigests(*blobs_), SizeIs(4));
  EXPECT_GE(fs::space(disk_.path()).free, 31 * kMiB);
}

}  // namespace
}  // namespace locket::snapshotter
