#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "base/file.h"
#include "image/local/local_files.h"
#include "image/oci/gzip.h"
#include "tests/erofs/tar_maker.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ArchiveFilesTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<LocalFiles>> Unpack(std::string_view archive) {
    const auto path = directory_.path() / "archive";
    std::ofstream(path, std::ios::binary) << archive;
    LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
    return UnpackArchive(std::move(fd), options_);
  }
  // What lies in the directory that the archive was unpacked to.
  uint64_t BytesOnDisk() const {
    uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      if (entry.path().filename() == "archive" || !entry.is_regular_file()) continue;
      bytes += entry.file_size();
    }
    return bytes;
  }

  TempDir directory_ = *TempDir::Create("/tmp", "archive-files-test.");
  UnpackOptions options_{.temporary_directory = directory_.path()};
};

TEST_F(ArchiveFilesTest, ABombIsRefusedByItsRatioWhereverItStands) {
  const auto packed = Gzip(TarMaker().File("bomb", std::string(8U << 20, '\0')).Finish());
  ASSERT_TRUE(packed.ok());
  options_.max_ratio = 100;
  options_.unsuspicious_bytes = 1U << 20;
  const auto bomb = Unpack(AsText(*packed));
  EXPECT_EQ(bomb.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(bomb.error().message(), HasSubstr("unpacks to more than 100 times its size"));
  EXPECT_EQ(BytesOnDisk(), 0U) << "nothing stays";
  // It counts also where it is passed over: it costs the same time.
  options_.wanted = [](const std::string&) { return false; };
  EXPECT_THAT(Unpack(AsText(*packed)).error().message(), HasSubstr("100 times its size"));
  // What is small is no bomb, and neither is what is not compressed.
  options_.unsuspicious_bytes = 16U << 20;
  EXPECT_TRUE(Unpack(AsText(*packed)).ok());
  options_.unsuspicious_bytes = 0;
  EXPECT_TRUE(Unpack(TarMaker().File("zeros", std::string(8U << 20, '\0')).Finish()).ok());
}

TEST_F(ArchiveFilesTest, TheDefaultsAreThoseOfLayersAndATotal) {
  EXPECT_EQ(options_.max_ratio, 1000U);
  EXPECT_EQ(options_.max_bytes, uint64_t{256} << 30);
}

TEST_F(ArchiveFilesTest, MoreThanTheTotalIsRefusedBeforeItIsWritten) {
  TarMaker tar;
  for (int i = 0; i < 8; ++i) tar.File("file" + std::to_string(i), std::string(1U << 20, 'x'));
  options_.max_bytes = 4U << 20;
  const auto over = Unpack(tar.Finish());
  EXPECT_EQ(over.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(over.error().message(), HasSubstr("unpacks to more than 4194304 bytes"));
  EXPECT_EQ(BytesOnDisk(), 0U);
  options_.max_bytes = 9U << 20;
  EXPECT_TRUE(Unpack(tar.Finish()).ok());
}

TEST_F(ArchiveFilesTest, WhatIsNotWantedIsNotWritten) {
  const std::string tar = TarMaker()
                              .File("wanted", "123")
                              .File("./other", std::string(1U << 20, 'x'))
                              .Symlink("link", "wanted")
                              .Finish();
  options_.wanted = [](const std::string& name) { return name == "wanted"; };
  const auto files = Unpack(tar);
  ASSERT_TRUE(files.ok()) << files.error().message();
  EXPECT_EQ(*ReadLocalFile(**files, "link", 10), "123");
  EXPECT_EQ(ReadLocalFile(**files, "other", 10).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(BytesOnDisk(), 3U);
}

TEST_F(ArchiveFilesTest, EntriesAreCounted) {
  TarMaker tar;
  for (int i = 0; i <= 100'000; ++i) tar.Dir("d");
  EXPECT_THAT(Unpack(tar.Finish()).error().message(), HasSubstr("more than 100000 entries"));
}

}  // namespace
}  // namespace locket::image
