#include "snapshotter/cache/blob_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "image/oci/digest.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BlobFilesTest : public ::testing::Test {
 protected:
  static bool Unused(const std::string&) { return false; }

  const std::string bytes_ = "the bytes";
  const std::string digest_ = image::Digest::Of(bytes_).ToText();
  TempDir temp_ = std::move(TempDir::Create("/tmp", "blob-files-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  const BlobFiles files_{root_};
};

TEST_F(BlobFilesTest, AKeptBlobIsThereReadOnlyUntilItIsRemoved) {
  ASSERT_TRUE(files_.Keep(digest_, bytes_).ok());
  EXPECT_TRUE(files_.Has(digest_, bytes_.size()));
  EXPECT_FALSE(files_.Has(digest_, bytes_.size() + 1));
  EXPECT_EQ(*files_.Read(digest_, 100), bytes_);
  EXPECT_FALSE(files_.Read(digest_, 3).ok()) << "larger than its reader wants";
  EXPECT_EQ(fs::status(root_.blob(digest_)).permissions(), fs::perms(0400));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(files_.Remove(digest_).ok());
  EXPECT_FALSE(files_.Has(digest_, bytes_.size()));
}

TEST_F(BlobFilesTest, AnAdoptedFileIsTheBlobAndNoLongerWhereItWas) {
  const fs::path made = root_.converting() / "made";
  ASSERT_TRUE(ReplaceFileDurably(made, bytes_).ok());
  ASSERT_TRUE(files_.Adopt(digest_, made).ok());
  EXPECT_EQ(*files_.Read(digest_, 100), bytes_);
  EXPECT_FALSE(fs::exists(made));
  EXPECT_FALSE(files_.Adopt(digest_, made).ok());
  EXPECT_EQ(*files_.Read(digest_, 100), bytes_) << "a failure takes nothing away";
}

TEST_F(BlobFilesTest, AMissingAndADamagedBlobAreTheSameToItsReader) {
  for (int i = 0; i < 2; ++i) {
    const auto read = files_.Read(digest_, 100);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_THAT(read.error().message(), HasSubstr(digest_ + " is missing or damaged"));
    ASSERT_TRUE(ReplaceFileDurably(root_.blob(digest_), "damaged").ok());
  }
  ASSERT_TRUE(files_.Keep(digest_, bytes_).ok());
  EXPECT_EQ(*files_.Read(digest_, 100), bytes_) << "Keep replaces what is damaged";
}

TEST_F(BlobFilesTest, ListsBlobsAndLeavesOutWhatACrashLeft) {
  ASSERT_TRUE(files_.Keep(digest_, bytes_).ok());
  ASSERT_TRUE(files_.SetPinned(digest_, true).ok());
  ASSERT_TRUE(ReplaceFileDurably(root_.blobs() / "leftover.tmp", "half").ok());
  const auto listed = files_.List([](const std::string&) { return true; });
  ASSERT_TRUE(listed.ok());
  ASSERT_THAT(*listed, SizeIs(1));
  EXPECT_EQ(listed->front().digest, digest_);
  EXPECT_EQ(listed->front().size_bytes, bytes_.size());
  EXPECT_TRUE(listed->front().pinned);
  EXPECT_TRUE(listed->front().used);
  EXPECT_FALSE(listed->front().held);
  ASSERT_TRUE(files_.RemoveLeftovers().ok());
  EXPECT_FALSE(fs::exists(root_.blobs() / "leftover.tmp"));
  EXPECT_TRUE(files_.Has(digest_, bytes_.size()));
}

TEST_F(BlobFilesTest, APinNeedsNoBlob) {
  ASSERT_TRUE(files_.SetPinned(digest_, true).ok());
  EXPECT_TRUE(files_.IsPinned(digest_));
  EXPECT_THAT(*files_.List(Unused), IsEmpty());
  ASSERT_TRUE(files_.SetPinned(digest_, false).ok());
  EXPECT_FALSE(files_.IsPinned(digest_));
}

}  // namespace
}  // namespace locket::snapshotter
