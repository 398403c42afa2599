// Conversion on a disk that is too small.
#include "tests/snapshotter/cache/small_disk.h"
#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLayerBytes = 40U << 20;

class ConvertDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "needs root to mount a small tmpfs";
    TarMaker tar;
    tar.File("large", std::string(kLayerBytes, 'l'));
    image_ = MakeOrdinaryImage("r.example/large:1", {Gzip(tar.Finish())});
    image_->AddTo(fetcher_);
    root_.emplace(std::move(RootDirectory::Open(disk_.path())).value());
    blobs_.emplace(*root_, fetcher_);
    blobs_->SetUsedBy([](const std::string&) { return false; });
    auto opened = Converter::Open({.root = *root_, .blobs = *blobs_, .clock = clock_});
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    converter_ = std::move(*opened);
  }
  auto Convert() {
    return converter_->Convert({.reference = image_->reference,
                                .manifest_digest = image::Digest::Of(image_->manifest),
                                .manifest = *image::DecodeManifest(image_->manifest)},
                               /*gave_up=*/{});
  }
  // Takes most of the space: less is left than the layer needs beside what has to stay free.
  void Fill(const fs::path& path) const {
    const auto file = OpenFile(path, O_WRONLY | O_CREAT);
    ASSERT_TRUE(file.ok());
    const auto free_bytes = fs::space(disk_.path()).available;
    const auto size = static_cast<off_t>(free_bytes - (64U << 20) - kLayerBytes / 2);
    ASSERT_EQ(::posix_fallocate(file->get(), 0, size), 0);
  }

  SmallDisk disk_{"180m"};
  FakeFetcher fetcher_;
  FakeClock clock_;
  std::optional<TestImage> image_;
  std::optional<RootDirectory> root_;
  std::optional<BlobCache> blobs_;
  std::unique_ptr<Converter> converter_;
};

TEST_F(ConvertDiskTest, SaysThatThereIsNoRoomAndWorksOnceThereIs) {
  Fill(disk_.path() / "ballast");
  const auto refused = Convert();
  ExpectError(refused, ErrorCode::kResourceExhausted, "layer " + image_->layer_digests[0]);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("converting' has room for"));
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("remove images"));
  EXPECT_TRUE(fs::is_empty(root_->converting()));
  fs::remove(disk_.path() / "ballast");
  const int fetches = fetcher_.num_blob_fetches();
  const auto converted = Convert();
  EXPECT_TRUE(converted.ok()) << converted.error().message();
  EXPECT_EQ(fetcher_.num_blob_fetches(), fetches) << "what was fetched is kept";
}

TEST_F(ConvertDiskTest, BlobsThatNobodyNeedsMakeRoom) {
  const std::string unneeded = image::Digest::Of("unneeded").ToText();
  Fill(root_->blob(unneeded));
  const auto converted = Convert();
  EXPECT_TRUE(converted.ok()) << converted.error().message();
  EXPECT_FALSE(fs::exists(root_->blob(unneeded)));
}

TEST_F(ConvertDiskTest, ALayerThatNeverFitsRemovesNothing) {
  TarMaker tar;
  tar.File("large", std::string(200U << 20, 'l'));
  image_ = MakeOrdinaryImage("r.example/huge:1", {Gzip(tar.Finish())});
  image_->AddTo(fetcher_);
  const std::string unneeded = image::Digest::Of("unneeded").ToText();
  ASSERT_TRUE(ReplaceFileDurably(root_->blob(unneeded), std::string(20U << 20, 'u')).ok());
  ExpectError(Convert(), ErrorCode::kResourceExhausted, "converting' has room for");
  EXPECT_TRUE(fs::exists(root_->blob(unneeded)));
}

}  // namespace
}  // namespace locket::snapshotter
