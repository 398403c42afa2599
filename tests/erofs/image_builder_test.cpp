#include "erofs/image_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/erofs/build_image.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string SomeTar() {
  TarMaker tar;
  for (int i = 0; i < 300; ++i) {
    tar.File("dir/" + std::to_string(i), std::string(static_cast<size_t>(i) * 37, 'x'));
  }
  return tar.Symlink("link", "dir/1").HardLink("dir/again", "dir/7").Finish();
}

std::string BytesOf(const Image& image) { return *ReadFile(image.path, 64U << 20); }

std::string Compressed(const std::string& tar, const std::vector<std::string>& program) {
  const auto run = RunCommand(program, {.input = tar});
  EXPECT_TRUE(run.ok() && run->exit_status == 0) << program.front();
  return run->standard_output;
}

TEST(ImageBuilderTest, MakesTheSameImageHoweverTheTarArrives) {
  const std::string tar = SomeTar();
  Image first;
  ASSERT_TRUE(first.Build(SourceOf(tar), {}, /*keep_tar=*/true).ok());
  EXPECT_EQ(first.Fsck(), "");
  EXPECT_EQ(first.tar_seen, tar);
  const std::pair<std::string, size_t> arrivals[] = {
      {tar, 1}, {Compressed(tar, {"gzip", "-c"}), 1000}, {Compressed(tar, {"zstd", "-qc"}), 77}};
  for (const auto& [bytes, piece] : arrivals) {
    Image again;
    const auto built = again.Build(SourceOf(bytes, piece), {}, /*keep_tar=*/true);
    ASSERT_TRUE(built.ok()) << built.error().message();
    EXPECT_EQ(BytesOf(again), BytesOf(first));
    EXPECT_EQ(again.tar_seen, tar) << "the diff ID would be another";
  }
}

TEST(ImageBuilderTest, TakesThePaddingToo) {
  const std::string tar = SomeTar() + std::string(100000, '\0') + "and more";
  Image image;
  ASSERT_TRUE(image.Build(SourceOf(tar), {}, /*keep_tar=*/true).ok());
  EXPECT_EQ(image.tar_seen, tar);
}

TEST(ImageBuilderTest, DoesNotDependOnTheOrderOfEntries) {
  Image one;
  ASSERT_TRUE(one.Build(SourceOf(TarMaker().File("a", "1").File("b", "2").Finish())).ok());
  Image other;
  ASSERT_TRUE(other.Build(SourceOf(TarMaker().File("b", "2").File("a", "1").Finish())).ok());
  EXPECT_EQ(BytesOf(one), BytesOf(other));
}

TEST(ImageBuilderTest, PutsTheUuidAndNothingOfTheClockIntoTheSuperblock) {
  Image image;
  ASSERT_TRUE(image.Build(SourceOf(SomeTar())).ok());
  const auto dump = RunCommand({"dump.erofs", "-s", image.path});
  ASSERT_TRUE(dump.ok());
  EXPECT_THAT(dump->standard_output, HasSubstr("aabb0000-0000-0000-0000-000000000000"));
  EXPECT_THAT(dump->standard_output, HasSubstr("Thu Jan  1 00:00:00 1970"));
  EXPECT_THAT(dump->standard_output, HasSubstr("inode count:                       303"));
}

TEST(ImageBuilderTest, SharesBlocksBetweenSmallFiles) {
  TarMaker tar;
  for (int i = 0; i < 400; ++i) tar.File(std::to_string(i), std::string(400, 'x'));
  Image image;
  ASSERT_TRUE(image.Build(SourceOf(tar.Finish())).ok());
  EXPECT_LT(image.info.size_bytes, 400 * 512U + 10 * kBlockSize);
}

// Empty files' inodes fill the block to its last byte; fsck.erofs looks for xattrs behind the last.
TEST(ImageBuilderTest, TheImageGoesOnBehindTheLastInode) {
  for (const auto& [name_bytes, blocks] : {std::pair(5, 2), {20, 3}, {50, 3}}) {
    TarMaker tar;
    for (int i = 10; i < 59; ++i) tar.File(std::to_string(i), "");
    tar.File(std::string(static_cast<size_t>(name_bytes), 'n'), "");
    Image image;
    ASSERT_TRUE(image.Build(SourceOf(tar.Finish())).ok());
    EXPECT_EQ(image.info.size_bytes, static_cast<uint64_t>(blocks) * 4096) << name_bytes;
    EXPECT_EQ(image.Fsck(), "") << name_bytes;
  }
}

TEST(ImageBuilderTest, PassesOnErrorsOfTheSource) {
  const std::string tar = SomeTar();
  for (size_t calls = 0; calls < 5; ++calls) {
    Image image;
    const auto good = SourceOf(tar, 20000);
    size_t made = 0;
    const auto built = image.Build([&](std::span<std::byte> out) -> Result<size_t> {
      EXPECT_LE(made, calls) << "called again after an error";
      if (made++ == calls) return Error(ErrorCode::kUnavailable, "connection reset");
      return good(out);
    });
    ASSERT_FALSE(built.ok());
    EXPECT_EQ(built.error().code(), ErrorCode::kUnavailable);
    EXPECT_THAT(built.error().message(), HasSubstr("connection reset"));
  }
}

class FailingSink final : public BlockSink {
 public:
  explicit FailingSink(int nth) : nth_(nth) {}
  Status Write(uint64_t, std::span<std::byte>) override {
    if (--nth_ == 0) return Error(ErrorCode::kResourceExhausted, "disk full");
    return Ok();
  }

 private:
  int nth_;
};

TEST(ImageBuilderTest, PassesOnErrorsOfTheSinkWhicheverWriteFails) {
  const std::string tar = TarMaker().File("big", std::string(3U << 20, 'x')).Finish();
  for (int nth = 1;; ++nth) {
    FailingSink sink(nth);
    auto builder = ImageBuilder::Create({.spool_directory = "/tmp"}, sink);
    ASSERT_TRUE(builder.ok());
    auto pieces = PiecesOf(tar);
    const auto added = builder->AddTar(pieces);
    if (!added.ok()) {
      EXPECT_THAT(added.error().message(), HasSubstr("entry 'big': disk full"));
      continue;
    }
    const auto finished = builder->Finish(kSomeUuid);
    if (finished.ok()) {
      EXPECT_GT(nth, 3);
      return;
    }
    EXPECT_THAT(finished.error().message(), HasSubstr("disk full"));
  }
}

TEST(ImageBuilderTest, LeavesNothingInTheSpoolDirectory) {
  Image image;
  ASSERT_TRUE(image.Build(SourceOf(SomeTar())).ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(image.temp.path()), {}), 1) << "only the image";
  FailingSink sink(0);
  const auto builder = ImageBuilder::Create({.spool_directory = "/nowhere"}, sink);
  ASSERT_FALSE(builder.ok());
  EXPECT_THAT(builder.error().message(), HasSubstr("create '/nowhere/"));
}

}  // namespace
}  // namespace locket::erofs
