#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/encoding.h"

namespace locket {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TempDir Temp() {
  return std::move(TempDir::Create(fs::temp_directory_path(), "file-test-")).value();
}

size_t NumEntries(const fs::path& directory) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(directory), {}));
}

TEST(ReplaceFileDurablyTest, ReplacesContentAndModeAndLeavesNothingElse) {
  const TempDir temp = Temp();
  const fs::path path = temp.path() / "file";
  ASSERT_TRUE(ReplaceFileDurably(path, "old").ok());
  ASSERT_TRUE(ReplaceFileDurably(path, "new", 0644).ok());
  EXPECT_EQ(*ReadFile(path, 10), "new");
  EXPECT_EQ(NumEntries(temp.path()), 1U);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0644));
}

TEST(ReplaceFileDurablyTest, LeavesTheOldFileAloneWhenItCannotRename) {
  const TempDir temp = Temp();
  const fs::path path = temp.path() / "is-a-directory";
  fs::create_directory(path);
  const auto replaced = ReplaceFileDurably(path, "x");
  ASSERT_FALSE(replaced.ok());
  EXPECT_THAT(replaced.error().message(), HasSubstr("rename to"));
  EXPECT_EQ(NumEntries(temp.path()), 1U) << "the temporary file stayed";
}

TEST(ReadFileTest, RefusesMoreThanTheBound) {
  const TempDir temp = Temp();
  ASSERT_TRUE(ReplaceFileDurably(temp.path() / "f", "12345").ok());
  EXPECT_TRUE(ReadFile(temp.path() / "f", 5).ok());
  const auto read = ReadFile(temp.path() / "f", 4);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kResourceExhausted);
}

TEST(ReadFileTest, NamesTheFileThatIsMissing) {
  const auto read = ReadFile("/nowhere/at-all", 4);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(read.error().message(), HasSubstr("open '/nowhere/at-all': No such file"));
}

TEST(PreadFullTest, SaysDataLossWhenTheFileIsShorter) {
  const TempDir temp = Temp();
  auto fd = OpenFile(temp.path() / "f", O_RDWR | O_CREAT);
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(PwriteFull(fd->get(), AsBytes("abcd"), 4).ok());
  std::array<std::byte, 8> all;
  EXPECT_TRUE(PreadFull(fd->get(), all, 0).ok());
  EXPECT_EQ(PreadFull(fd->get(), all, 1).error().code(), ErrorCode::kDataLoss);
}

TEST(TempDirTest, IsGoneWithAllItHeldOnceTheObjectDies) {
  fs::path path;
  {
    const TempDir temp = Temp();
    path = temp.path();
    fs::create_directories(path / "a" / "b");
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace locket
