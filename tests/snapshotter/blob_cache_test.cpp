#include "snapshotter/blob_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/file.h"
#include "tests/snapshotter/fake_fetcher.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool Unused(const std::string&) { return false; }

class BlobCacheTest : public ::testing::Test {
 protected:
  BlobCacheTest() { fetcher_.Add(bytes_); }

  size_t NumPartials() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(root_.ingest()), {}));
  }

  const std::string bytes_ = std::string(100'000, 'b') + "end";
  const image::Descriptor blob_ = image::DescriptorOf("type", bytes_);
  const std::string digest_ = blob_.digest.ToText();
  TempDir temp_ = std::move(TempDir::Create(fs::temp_directory_path(), "blobs-test-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  FakeFetcher fetcher_;
  BlobCache cache_{root_, fetcher_};
};

TEST_F(BlobCacheTest, PublishesACompleteBlobReadOnlyAndFetchesItOnce) {
  EXPECT_FALSE(cache_.Has(digest_, bytes_.size()));
  ASSERT_TRUE(cache_.Ensure("r/i:1", blob_).ok());
  ASSERT_TRUE(cache_.Ensure("r/i:1", blob_).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), 1);
  EXPECT_EQ(*cache_.Read(digest_, 1 << 20), bytes_);
  EXPECT_EQ(fs::status(root_.blob(digest_)).permissions(), fs::perms(0400));
  EXPECT_EQ(NumPartials(), 0U);
}

TEST_F(BlobCacheTest, ManyWhoAskAtOnceShareOneDownload) {
  fetcher_.Hold();
  std::vector<std::future<Status>> asked;
  for (int i = 0; i < 8; ++i) {
    asked.push_back(std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", blob_); }));
  }
  fetcher_.WaitForWaiter();
  fetcher_.Release();
  for (auto& one : asked) EXPECT_TRUE(one.get().ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), 1);
}

TEST_F(BlobCacheTest, AFailureOfOneImagesRegistryDoesNotCountForAnother) {
  fetcher_.ServeOnlyTo("good/i:1");
  fetcher_.Hold();
  auto bad = std::async(std::launch::async, [&] { return cache_.Ensure("bad/i:1", blob_); });
  fetcher_.WaitForWaiter();
  auto good = std::async(std::launch::async, [&] { return cache_.Ensure("good/i:1", blob_); });
  fetcher_.Release();
  EXPECT_EQ(bad.get().error().code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(good.get().ok());
}

TEST_F(BlobCacheTest, GoesOnFromWhatABrokenDownloadBrought) {
  fetcher_.BreakOffAfter(60'000, Error(ErrorCode::kUnavailable, "gone"));
  const auto broken = cache_.Ensure("r/i:1", blob_);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(broken.error().message(), HasSubstr("fetch blob " + digest_));
  EXPECT_FALSE(cache_.Has(digest_, bytes_.size()));
  BlobCache restarted(root_, fetcher_);
  ASSERT_TRUE(restarted.Ensure("r/i:1", blob_).ok());
  EXPECT_EQ(fetcher_.last_offset(), 60'000U);
  EXPECT_EQ(*restarted.Read(digest_, 1 << 20), bytes_);
}

TEST_F(BlobCacheTest, BeginsAnewWhenAPartialFileWasSpoiled) {
  ASSERT_TRUE(ReplaceFileDurably(root_.partial(digest_), std::string(500, 'x')).ok());
  ASSERT_TRUE(cache_.Ensure("r/i:1", blob_).ok());
  EXPECT_EQ(*cache_.Read(digest_, 1 << 20), bytes_);
  EXPECT_EQ(fetcher_.num_blob_fetches(), 2);
}

TEST_F(BlobCacheTest, KeepsNothingOfBytesWithAnotherDigest) {
  fetcher_.BreakOffAfter(10, Error(ErrorCode::kDataLoss, "wrong digest"));
  EXPECT_EQ(cache_.Ensure("r/i:1", blob_).error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(NumPartials(), 0U);
  EXPECT_THAT(*cache_.All(), IsEmpty());
}

TEST_F(BlobCacheTest, StopEndsADownloadAndKeepsWhatCame) {
  fetcher_.Hold();
  auto asked = std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", blob_); });
  fetcher_.WaitForWaiter();
  cache_.Stop();
  EXPECT_EQ(asked.get().error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(NumPartials(), 1U);
  EXPECT_EQ(cache_.Ensure("r/i:1", blob_).error().code(), ErrorCode::kCancelled);
}

TEST_F(BlobCacheTest, AManifestIsFetchedOnceAndOnDiskOnlyWhenKept) {
  EXPECT_EQ(*cache_.Manifest("r/i:1", blob_.digest), bytes_);
  EXPECT_EQ(*cache_.Manifest("r/i:1", blob_.digest), bytes_);
  EXPECT_EQ(fetcher_.num_manifest_fetches(), 1);
  EXPECT_THAT(*cache_.All(), IsEmpty());
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  EXPECT_THAT(*cache_.All(), ElementsAre(digest_));
  BlobCache restarted(root_, fetcher_);
  EXPECT_EQ(*restarted.Manifest("r/i:1", blob_.digest), bytes_);
  EXPECT_EQ(fetcher_.num_manifest_fetches(), 1) << "the kept one was not used";
}

TEST_F(BlobCacheTest, ReadSaysWhatToDoAboutADamagedBlob) {
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest_), "other").ok());
  const auto read = cache_.Read(digest_, 1 << 20);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(read.error().message(), HasSubstr("remove the image and pull it again"));
}

TEST_F(BlobCacheTest, APinnedBlobStays) {
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  {
    const BlobCache::Pin pin(cache_, {digest_});
    const BlobCache::Pin again(cache_, {digest_});
    ASSERT_TRUE(cache_.Remove(digest_, Unused).ok());
    EXPECT_TRUE(cache_.Has(digest_, bytes_.size()));
  }
  ASSERT_TRUE(cache_.Remove(digest_, [](const std::string&) { return true; }).ok());
  EXPECT_TRUE(cache_.Has(digest_, bytes_.size())) << "it is used";
  ASSERT_TRUE(cache_.Remove(digest_, Unused).ok());
  EXPECT_FALSE(cache_.Has(digest_, bytes_.size()));
  EXPECT_TRUE(cache_.Remove(digest_, Unused).ok()) << "removing what is absent";
}

TEST_F(BlobCacheTest, APinThatComesDuringARemovalFindsTheBlobGoneForSure) {
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  std::future<bool> pinned;
  ASSERT_TRUE(cache_
                  .Remove(digest_,
                          [&](const std::string&) {
                            pinned = std::async(std::launch::async, [&] {
                              const BlobCache::Pin pin(cache_, {digest_});
                              return cache_.Has(digest_, bytes_.size());
                            });
                            return false;
                          })
                  .ok());
  EXPECT_FALSE(pinned.get()) << "it saw a blob that was about to go";
}

TEST_F(BlobCacheTest, ABlobOnItsWayIsNotRemoved) {
  fetcher_.Hold();
  auto asked = std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", blob_); });
  fetcher_.WaitForWaiter();
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  ASSERT_TRUE(cache_.Remove(digest_, Unused).ok());
  EXPECT_TRUE(cache_.Has(digest_, bytes_.size()));
  fetcher_.Release();
  EXPECT_TRUE(asked.get().ok());
}

TEST_F(BlobCacheTest, StalePartialsGoUnlessSomebodyIsAtThem) {
  fetcher_.Hold();
  auto asked = std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", blob_); });
  fetcher_.WaitForWaiter();
  const std::string other = image::Digest::Of("other").ToText();
  ASSERT_TRUE(ReplaceFileDurably(root_.partial(other), "o").ok());
  ASSERT_TRUE(cache_.RemoveStalePartials(std::chrono::hours(1)).ok());
  EXPECT_EQ(NumPartials(), 2U) << "they are young";
  ASSERT_TRUE(cache_.RemoveStalePartials(std::chrono::seconds(0)).ok());
  EXPECT_EQ(NumPartials(), 1U);
  EXPECT_FALSE(fs::exists(root_.partial(other)));
  fetcher_.Release();
  EXPECT_TRUE(asked.get().ok());
}

TEST_F(BlobCacheTest, LeftoversOfACrashGoAtStartUpAndBlobsStay) {
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  ASSERT_TRUE(ReplaceFileDurably(root_.blobs() / "abc.Xy12Zw", "half").ok());
  ASSERT_TRUE(cache_.RemoveLeftovers().ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(root_.blobs()), {}), 1);
  EXPECT_TRUE(cache_.Has(digest_, bytes_.size()));
}

}  // namespace
}  // namespace locket::snapshotter
