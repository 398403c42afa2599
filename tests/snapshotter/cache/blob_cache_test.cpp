#include "snapshotter/cache/blob_cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "base/file.h"
#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/cache/fake_fetcher.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

TEST_F(BlobCacheTest, ManyWhoWantAManifestAtOnceShareOneFetchAndItsFailure) {
  const auto ask = [&](const std::string& reference) {
    return std::async(std::launch::async,
                      [&, reference] { return cache_.Manifest(reference, blob_.digest); });
  };
  fetcher_.ServeOnlyTo("good/i:1");
  for (const bool is_good : {false, true}) {
    const int before = fetcher_.num_manifest_fetches();
    fetcher_.HoldManifests();
    std::vector<std::future<Result<std::string>>> asked;
    for (int i = 0; i < 8; ++i) asked.push_back(ask(is_good ? "good/i:1" : "bad/i:1"));
    fetcher_.WaitForWaiter();
    fetcher_.Release();
    for (auto& one : asked) {
      const auto manifest = one.get();
      ASSERT_EQ(manifest.ok(), is_good);
      EXPECT_EQ(is_good ? *manifest : manifest.error().message(),
                is_good ? bytes_ : "fetch manifest " + digest_ + ": not for 'bad/i:1'");
    }
    if (is_good) {
      EXPECT_EQ(fetcher_.num_manifest_fetches(), before + 1);
    }
  }
  EXPECT_TRUE(cache_.Manifest("bad/i:1", blob_.digest).ok()) << "it is in memory";
}

TEST_F(BlobCacheTest, WhoWaitedForABlobOfAnotherSizeDoesNotGetIt) {
  fetcher_.Hold();
  auto right = std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", blob_); });
  fetcher_.WaitForWaiter();
  image::Descriptor wrong = blob_;
  wrong.size = 5;
  auto misled = std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", wrong); });
  fetcher_.Release();
  EXPECT_TRUE(right.get().ok());
  EXPECT_EQ(misled.get().error().code(), ErrorCode::kDataLoss);
  EXPECT_TRUE(cache_.Has(digest_, bytes_.size())) << "the good one stays";
}

TEST_F(BlobCacheTest, AManifestThatIsDamagedOnDiskIsWrittenAgainFromMemory) {
  ASSERT_EQ(*cache_.EnsureManifest("r/i:1", blob_.digest), bytes_);
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest_), "damaged").ok());
  ASSERT_EQ(*cache_.EnsureManifest("r/i:1", blob_.digest), bytes_);
  EXPECT_EQ(*cache_.Read(digest_, 1 << 20), bytes_);
  EXPECT_EQ(fs::status(root_.blob(digest_)).permissions(), fs::perms(0400));
  EXPECT_EQ(fetcher_.num_manifest_fetches(), 1);
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
  EXPECT_THAT(CachedDigests(cache_), IsEmpty());
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
  EXPECT_THAT(CachedDigests(cache_), IsEmpty());
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  EXPECT_THAT(CachedDigests(cache_), ElementsAre(digest_));
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

// Blobs by name, with a cache of whose limits and references a test decides.
class TrimTest : public BlobCacheTest {
 protected:
  // Each a day older than the one before.
  std::string Keep(const std::string& bytes) {
    const std::string digest = image::Digest::Of(bytes).ToText();
    EXPECT_TRUE(cache_.Keep(digest, bytes).ok());
    fs::last_write_time(root_.blob(digest),
                        fs::file_time_type::clock::now() - std::chrono::hours(24) * ++age_);
    return digest;
  }
  void SetUp() override {
    cache_.SetUsedBy([this](const std::string& digest) { return used_.contains(digest); });
  }
  uint64_t NumRemoved(const CacheLimits& limits) {
    const auto trimmed = cache_.TrimTo(limits);
    EXPECT_TRUE(trimmed.ok());
    return trimmed.ok() ? trimmed->num_removed : 99;
  }

  int age_ = 0;
  std::set<std::string> used_;
};

TEST_F(TrimTest, LeastRecentlyUsedGoFirstFromHighDownToLow) {
  const std::string young = Keep(std::string(100, 'y'));
  const std::string middle = Keep(std::string(100, 'm'));
  const std::string old = Keep(std::string(100, 'o'));
  EXPECT_EQ(NumRemoved({.high_bytes = 300, .low_bytes = 0}), 0U) << "at the limit is not above it";
  const auto trimmed = cache_.TrimTo({.high_bytes = 299, .low_bytes = 200});
  ASSERT_TRUE(trimmed.ok());
  EXPECT_EQ(trimmed->num_removed, 1U);
  EXPECT_EQ(trimmed->bytes_removed, 100U);
  EXPECT_EQ(trimmed->bytes_left, 200U);
  EXPECT_FALSE(cache_.Has(old, 100));
  cache_.Touch(middle);
  EXPECT_EQ(NumRemoved({.high_bytes = 199, .low_bytes = 100}), 1U);
  EXPECT_TRUE(cache_.Has(middle, 100)) << "it was used last";
  EXPECT_FALSE(cache_.Has(young, 100));
  EXPECT_EQ(NumRemoved({}), 1U);
}

TEST_F(TrimTest, APullOfABlobThatIsThereIsAUse) {
  const std::string other = Keep("other");
  fetcher_.Add(bytes_);
  ASSERT_EQ(Keep(bytes_), digest_);
  ASSERT_TRUE(cache_.Ensure("r/i:1", blob_).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), 0);
  const auto listed = cache_.List();
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->back().digest, digest_);
  EXPECT_EQ(listed->front().digest, other);
}

TEST_F(TrimTest, WhatASnapshotNeedsStaysHoweverOldAndLarge) {
  used_ = {Keep("used")};
  Keep("unused");
  EXPECT_EQ(NumRemoved({}), 1U);
  EXPECT_THAT(CachedDigests(cache_), ElementsAre(*used_.begin()));
}

TEST_F(TrimTest, ABlobThatCannotBeRemovedIsNamedAndKeepsNoOther) {
  const std::string other = Keep("other");
  const std::string stuck = image::Digest::Of("stuck").ToText();
  fs::create_directory(root_.blob(stuck));  // unlink(2) refuses it
  fs::last_write_time(root_.blob(stuck), fs::file_time_type::clock::now() - std::chrono::hours(99));
  const auto trimmed = cache_.TrimTo({});
  ASSERT_FALSE(trimmed.ok());
  EXPECT_THAT(trimmed.error().message(), HasSubstr("remove '" + root_.blob(stuck).string()));
  EXPECT_FALSE(fs::exists(root_.blob(other)));
}

TEST_F(TrimTest, APinKeepsABlobWhileItLives) {
  const std::string digest = Keep("pinned");
  {
    const BlobCache::Pin pin(cache_, {digest});
    const BlobCache::Pin again(cache_, {digest});
    EXPECT_EQ(NumRemoved({}), 0U);
  }
  EXPECT_EQ(NumRemoved({}), 1U);
}

TEST_F(TrimTest, AnOperatorsPinOutlivesARestart) {
  const std::string digest = Keep("pinned");
  ASSERT_TRUE(cache_.SetPinned(digest, true).ok());
  ASSERT_TRUE(cache_.SetPinned(digest, true).ok()) << "pinning twice";
  BlobCache restarted(root_, fetcher_);
  restarted.SetUsedBy([](const std::string&) { return false; });
  EXPECT_EQ(restarted.Trim()->num_removed, 0U);
  EXPECT_TRUE(restarted.List()->front().pinned);
  ASSERT_TRUE(restarted.SetPinned(digest, false).ok());
  ASSERT_TRUE(restarted.SetPinned(digest, false).ok()) << "unpinning twice";
  EXPECT_EQ(restarted.Trim()->num_removed, 1U);
}

// As QEMU does; the lock belongs to its open file, not to the process that started it.
TEST_F(TrimTest, ABlobThatAVmHoldsStaysUntilTheVmIsGone) {
  const std::string digest = Keep("held");
  {
    const auto vm = OpenFile(root_.blob(digest), O_RDONLY);
    ASSERT_TRUE(vm.ok());
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 100;  // QEMU locks single bytes from here on
    lock.l_len = 1;
    ASSERT_EQ(::fcntl(vm->get(), F_OFD_SETLK, &lock), 0);
    EXPECT_TRUE(cache_.List()->front().held);
    EXPECT_EQ(NumRemoved({}), 0U);
  }
  EXPECT_EQ(NumRemoved({}), 1U);
}

TEST_F(TrimTest, APinThatComesDuringARemovalFindsTheBlobGoneForSure) {
  const std::string digest = Keep("going");
  std::future<bool> pinned;
  int asked = 0;
  cache_.SetUsedBy([&](const std::string&) {
    if (++asked == 2) {  // the first time is for the list
      pinned = std::async(std::launch::async, [&] {
        const BlobCache::Pin pin(cache_, {digest});
        return cache_.Has(digest, 5);
      });
    }
    return false;
  });
  EXPECT_EQ(NumRemoved({}), 1U);
  EXPECT_FALSE(pinned.get()) << "it saw a blob that was about to go";
}

TEST_F(TrimTest, ABlobThatIsUsedAfterAllStays) {
  const std::string digest = Keep("wanted");
  int asked = 0;
  cache_.SetUsedBy([&](const std::string&) { return ++asked == 2; });
  EXPECT_EQ(NumRemoved({}), 0U);
  EXPECT_TRUE(cache_.Has(digest, 6));
}

TEST_F(TrimTest, ABlobOnItsWayIsNotRemoved) {
  fetcher_.Hold();
  auto asked = std::async(std::launch::async, [&] { return cache_.Ensure("r/i:1", blob_); });
  fetcher_.WaitForWaiter();
  EXPECT_EQ(cache_.figures().downloads_running, 1U);
  Keep(bytes_);
  EXPECT_EQ(NumRemoved({}), 0U);
  fetcher_.Release();
  EXPECT_TRUE(asked.get().ok());
}

TEST_F(TrimTest, VerifyRemovesDamageAndTellsItFromAbsence) {
  const std::string digest = Keep("content");
  EXPECT_EQ(*cache_.Verify(digest), Verdict::kGood);
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest), "Content").ok());
  EXPECT_EQ(*cache_.Verify(digest), Verdict::kRemoved);
  EXPECT_EQ(cache_.Verify(digest).error().code(), ErrorCode::kNotFound);
}

TEST_F(TrimTest, VerifyDoesNotCallABlobGoneThatItCannotOpen) {
  const std::string digest = image::Digest::Of("looping").ToText();
  fs::create_symlink(root_.blob(digest), root_.blob(digest));
  const auto verified = cache_.Verify(digest);
  ASSERT_FALSE(verified.ok());
  EXPECT_NE(verified.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(verified.error().message(), HasSubstr("Too many levels of symbolic links"));
}

TEST_F(TrimTest, VerifyLeavesADamagedBlobThatSomebodyIsAt) {
  const std::string digest = Keep("content");
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest), "Content").ok());
  {
    const BlobCache::Pin pin(cache_, {digest});
    EXPECT_EQ(*cache_.Verify(digest), Verdict::kBusy);
  }
  EXPECT_EQ(*cache_.Verify(digest), Verdict::kRemoved);
}

TEST_F(TrimTest, VerifyDoesNotRemoveTheGoodBlobThatCameInPlaceOfADamagedOne) {
  const std::string digest = Keep("content");
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest), "Content").ok());
  const auto verdict = cache_.Verify(digest, [&](uint64_t) {
    return ReplaceFileDurably(root_.blob(digest), "content", 0400).ok();
  });
  EXPECT_EQ(*verdict, Verdict::kRemoved) << "the file that was read";
  EXPECT_EQ(*cache_.Verify(digest), Verdict::kGood);
}

TEST_F(TrimTest, VerifyTellsHowFarItIsAndEndsWhenNobodyWaits) {
  const std::string digest = Keep(std::string((1 << 20) + 1, 'x'));
  std::vector<uint64_t> steps;
  EXPECT_TRUE(
      cache_.Verify(digest, [&](uint64_t done) { return steps.push_back(done), true; }).ok());
  EXPECT_THAT(steps, ElementsAre(1 << 20, (1 << 20) + 1));
  const auto ended = cache_.Verify(digest, [](uint64_t) { return false; });
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(*cache_.Verify(digest), Verdict::kGood) << "it is still there";
}

TEST_F(BlobCacheTest, ContentThatIsDamagedIsFetchedAgain) {
  EXPECT_EQ(*cache_.EnsureContent("r/i:1", blob_), bytes_);
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest_), std::string(bytes_.size(), 'x')).ok());
  EXPECT_EQ(*cache_.EnsureContent("r/i:1", blob_), bytes_);
  EXPECT_EQ(fetcher_.num_blob_fetches(), 2);
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest_), std::string(bytes_.size(), 'x')).ok());
  fetcher_.FailCall(1);
  EXPECT_EQ(cache_.EnsureContent("r/i:1", blob_).error().code(), ErrorCode::kUnavailable);
  ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest_), std::string(bytes_.size(), 'x')).ok());
  ASSERT_TRUE(cache_.Keep(digest_, bytes_).ok());
  EXPECT_EQ(*cache_.Read(digest_, 1 << 20), bytes_) << "Keep replaces what is damaged";
}

TEST_F(BlobCacheTest, FiguresCountWhatCameAndWhatWasThere) {
  fetcher_.BreakOffAfter(60'000, Error(ErrorCode::kUnavailable, "gone"));
  EXPECT_FALSE(cache_.Ensure("r/i:1", blob_).ok());
  EXPECT_TRUE(cache_.Ensure("r/i:1", blob_).ok());
  EXPECT_TRUE(cache_.Ensure("r/i:1", blob_).ok());
  const CacheFigures figures = cache_.figures();
  EXPECT_EQ(figures.misses, 2U);
  EXPECT_EQ(figures.hits, 1U);
  EXPECT_EQ(figures.failed_downloads, 1U);
  EXPECT_EQ(figures.downloaded_bytes, bytes_.size()) << "none came twice";
  EXPECT_EQ(figures.downloads_running, 0U);
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
