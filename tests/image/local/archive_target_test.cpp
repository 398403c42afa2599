// Archives as targets (image/local/archive_target.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/file.h"
#include "image/local/local_image.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kLayer(100'000, 'L');

struct Documents {
  std::string config =
      EncodeImageConfig({.architecture = "amd64", .os = "linux", .diff_ids = {Digest::Of(kLayer)}});
  Descriptor layer = DescriptorOf(kOciLayerTar, kLayer);
  std::string manifest = EncodeManifest({.media_type = std::string(kOciManifest),
                                         .config = DescriptorOf(kOciConfig, config),
                                         .layers = {layer}});
};

Status PutAll(ImageTarget& target) {
  const Documents image;
  LOCKET_TRY(target.PutBlobBytes(image.layer, kLayer));
  LOCKET_TRY(target.PutBlobBytes(DescriptorOf(kOciConfig, image.config), image.config));
  LOCKET_TRY(target.PutManifest(kOciManifest, image.manifest));
  return Ok();
}

class ArchiveTargetTest : public ::testing::Test {
 protected:
  fs::path Path(const std::string& name) const { return directory_.path() / name; }
  size_t NumFiles() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory_.path()), {}));
  }

  TempDir directory_ = *TempDir::Create("/tmp", "archive-target-test.");
};

TEST_F(ArchiveTargetTest, ReadsBackAndIsTheSameEachTime) {
  for (const char* name : {"one", "two"}) {
    const auto target = OpenArchiveTarget(Path(name), "tag");
    ASSERT_TRUE(target.ok()) << target.error().message();
    EXPECT_FALSE(*(*target)->HasBlob(Documents().layer));
    const auto put = PutAll(**target);
    ASSERT_TRUE(put.ok()) << put.error().message();
    EXPECT_TRUE(*(*target)->HasBlob(Documents().layer));
  }
  EXPECT_EQ(*ReadFile(Path("one"), 1 << 20), *ReadFile(Path("two"), 1 << 20));
  const auto source =
      OpenLocalSource({.transport = Transport::kOciArchive, .path = Path("one"), .tag = "tag"},
                      {.temporary_directory = directory_.path()});
  ASSERT_TRUE(source.ok()) << source.error().message();
  EXPECT_EQ((*source)->GetManifest()->bytes, Documents().manifest);
  EXPECT_EQ(*ReadBlob(**source, Documents().layer, kLayer.size()), kLayer);
}

TEST_F(ArchiveTargetTest, WithoutAManifestTheOldFileStays) {
  ASSERT_TRUE(ReplaceFileDurably(Path("file"), "old").ok());
  {
    const auto target = OpenArchiveTarget(Path("file"), "");
    ASSERT_TRUE(target.ok());
    ASSERT_TRUE((*target)->PutBlobBytes(Documents().layer, kLayer).ok());
  }
  EXPECT_EQ(*ReadFile(Path("file"), 100), "old");
  EXPECT_EQ(NumFiles(), 1U);
}

TEST_F(ArchiveTargetTest, RefusesBytesThatAreNotTheBlobs) {
  const auto target = OpenArchiveTarget(Path("file"), "");
  ASSERT_TRUE(target.ok());
  auto wrong = (*target)->PutBlobBytes(Documents().layer, std::string(kLayer.size(), 'x'));
  EXPECT_EQ(wrong.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(wrong.error().message(), HasSubstr(Documents().layer.digest.ToText()));
  wrong = (*target)->PutBlobBytes(Documents().layer, "short");
  EXPECT_THAT(wrong.error().message(), HasSubstr("not of the stated size"));
  EXPECT_THAT(OpenArchiveTarget(Path("none/file"), "").error().message(), HasSubstr("none/file"));
}

// Breaks every write in turn until none is left to break.
TEST_F(ArchiveTargetTest, ErrorsOfTheStreamComeBackWhicheverWriteFails) {
  for (int nth = 1;; ++nth) {
    int calls = 0;
    const auto target = OpenStreamTarget([&](std::span<const std::byte>) -> Status {
      return ++calls == nth ? Status(Error(ErrorCode::kUnavailable, "the reader has gone")) : Ok();
    });
    ASSERT_TRUE(target.ok());
    const auto put = PutAll(**target);
    if (put.ok()) {
      EXPECT_GT(nth, 3);
      break;
    }
    EXPECT_THAT(put.error().message(), HasSubstr("the reader has gone")) << nth;
  }
}

TEST_F(ArchiveTargetTest, IndexesAreKept) {
  const Documents image;
  Descriptor entry = DescriptorOf(kOciManifest, image.manifest);
  entry.platform = Platform{.architecture = "amd64", .os = "linux"};
  const std::string index =
      EncodeIndex({.media_type = std::string(kOciIndex), .manifests = {entry}});
  {
    const auto target = OpenArchiveTarget(Path("file"), "");
    ASSERT_TRUE(target.ok());
    ASSERT_TRUE((*target)->PutNested(entry, image.manifest).ok());
    ASSERT_TRUE((*target)->PutManifest(kOciIndex, index).ok());
  }
  const auto source = OpenLocalSource({.transport = Transport::kOciArchive, .path = Path("file")},
                                      {.platform = {.architecture = "amd64", .os = "linux"},
                                       .temporary_directory = directory_.path()});
  ASSERT_TRUE(source.ok()) << source.error().message();
  EXPECT_EQ((*source)->GetTop()->bytes, index);
  EXPECT_EQ((*source)->GetManifest()->bytes, image.manifest);
  EXPECT_EQ((*source)->GetNested(entry)->bytes, image.manifest);
  EXPECT_EQ((*source)->GetNested(DescriptorOf("x", "absent")).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::image
