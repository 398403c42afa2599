#include "snapshotter/cache/manifest_cache.h"

#include <gtest/gtest.h>

#include "tests/snapshotter/cache/fake_fetcher.h"

namespace locket::snapshotter {
namespace {

class ManifestCacheTest : public ::testing::Test {
 protected:
  ManifestCacheTest() { fetcher_.Add(manifest_); }

  const std::string manifest_ = R"({"a":"manifest"})";
  const image::Digest digest_ = image::Digest::Of(manifest_);
  TempDir temp_ = std::move(TempDir::Create("/tmp", "manifests-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  FakeFetcher fetcher_;
  std::stop_source stop_;
  BlobFiles files_{root_};
  ManifestCache manifests_{files_, fetcher_, stop_.get_token()};
};

TEST_F(ManifestCacheTest, FetchesAManifestOnceUntilItIsForgotten) {
  for (int fetches = 1; fetches <= 2; ++fetches) {
    EXPECT_EQ(*manifests_.Get("r/i:1", digest_), manifest_);
    EXPECT_EQ(*manifests_.Get("r/i:2", digest_), manifest_);
    EXPECT_EQ(fetcher_.num_manifest_fetches(), fetches);
    manifests_.Forget(digest_.ToText());
  }
}

TEST_F(ManifestCacheTest, TakesOneThatIsOnDiskFromThere) {
  ASSERT_TRUE(files_.Keep(digest_.ToText(), manifest_).ok());
  EXPECT_EQ(*manifests_.Get("r/i:1", digest_), manifest_);
  EXPECT_EQ(fetcher_.num_manifest_fetches(), 0);
}

TEST_F(ManifestCacheTest, RemembersAFewAndAFailureNever) {
  fetcher_.FailCall(1);
  EXPECT_EQ(manifests_.Get("r/i:1", digest_).error().code(), ErrorCode::kUnavailable);
  ASSERT_TRUE(manifests_.Get("r/i:1", digest_).ok());
  for (int i = 0; i < 40; ++i) {
    const std::string other = "manifest " + std::to_string(i);
    fetcher_.Add(other);
    EXPECT_EQ(*manifests_.Get("r/i:1", image::Digest::Of(other)), other);
  }
  EXPECT_EQ(*manifests_.Get("r/i:1", digest_), manifest_) << "whether it was remembered or not";
}

TEST_F(ManifestCacheTest, AStopEndsAFetch) {
  fetcher_.HoldManifests();
  stop_.request_stop();
  EXPECT_EQ(manifests_.Get("r/i:1", digest_).error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace locket::snapshotter
