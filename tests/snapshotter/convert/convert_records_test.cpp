#include "snapshotter/convert/convert_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;

image::ConvertedLayer Some(const std::string& name) {
  return {.diff_id = image::Digest::Of("tar " + name),
          .blob_digest = image::Digest::Of("blob " + name),
          .identity = {.root_hash = image::Digest::Of(name).hash(), .salt = {}, .data_size = 4096},
          .accounts = {.passwd = {.content = "root:x:0:0\n"}}};
}

class ConvertRecordsTest : public ::testing::Test {
 protected:
  std::unique_ptr<ConvertRecords> Open() {
    auto opened = ConvertRecords::Open(temp_.path());
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return std::move(*opened);
  }
  size_t NumFiles() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(temp_.path()), {}));
  }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "records-")).value();
};

TEST_F(ConvertRecordsTest, AreFoundByDiffIdAndByBlobAlsoAfterARestart) {
  auto records = Open();
  EXPECT_EQ(records->Find(Some("a").diff_id), std::nullopt);
  ASSERT_TRUE(records->Put(Some("a")).ok());
  ASSERT_TRUE(records->Put(Some("b")).ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(records->Find(Some("a").diff_id), Some("a"));
    EXPECT_EQ(records->FindBlob(Some("b").blob_digest), Some("b"));
    EXPECT_EQ(records->FindBlob(Some("c").blob_digest), std::nullopt);
    records = Open();
  }
}

TEST_F(ConvertRecordsTest, WhatIsDamagedIsForgottenAndNothingElse) {
  auto records = Open();
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(records->Put(Some(name)).ok());
  fs::resize_file(temp_.path() / Some("a").diff_id.Hex(), 20);
  fs::rename(temp_.path() / Some("b").diff_id.Hex(), temp_.path() / Some("x").diff_id.Hex());
  ASSERT_TRUE(ReplaceFileDurably(temp_.path() / "left.tmp", "half").ok());
  EXPECT_EQ(records->Find(Some("a").diff_id), std::nullopt) << "damaged while it is open";
  records = Open();
  EXPECT_EQ(records->Find(Some("a").diff_id), std::nullopt);
  EXPECT_EQ(records->Find(Some("x").diff_id), std::nullopt) << "a record of another layer";
  EXPECT_EQ(records->Find(Some("c").diff_id), Some("c"));
  EXPECT_EQ(NumFiles(), 1U);
}

TEST_F(ConvertRecordsTest, PruneTakesThoseWhoseBlobIsGone) {
  auto records = Open();
  for (const char* name : {"a", "b"}) ASSERT_TRUE(records->Put(Some(name)).ok());
  const auto is_a = [](const image::Digest& blob) { return blob == Some("a").blob_digest; };
  ASSERT_TRUE(records->Prune(is_a).ok());
  EXPECT_EQ(records->Find(Some("a").diff_id), Some("a"));
  EXPECT_EQ(records->Find(Some("b").diff_id), std::nullopt);
  EXPECT_EQ(records->FindBlob(Some("b").blob_digest), std::nullopt);
  EXPECT_EQ(NumFiles(), 1U);
}

TEST_F(ConvertRecordsTest, ADirectoryThatCannotBeReadIsAnError) {
  const auto opened = ConvertRecords::Open(temp_.path() / "absent");
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), ::testing::HasSubstr("list '"));
}

}  // namespace
}  // namespace locket::snapshotter
