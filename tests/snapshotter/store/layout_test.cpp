#include "snapshotter/store/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/file.h"
#include "snapshotter/snapshots/disk_usage.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TempDir Temp() {
  return std::move(TempDir::Create(fs::temp_directory_path(), "layout-test-")).value();
}

TEST(RootDirectoryTest, LetsOnlyOneServerIn) {
  const TempDir temp = Temp();
  {
    const auto first = RootDirectory::Open(temp.path() / "a" / "root");
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(fs::status(first->path()).permissions(), fs::perms(0700));
    const auto second = RootDirectory::Open(temp.path() / "a" / "root");
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_THAT(second.error().message(), HasSubstr("another locket-snapshotter uses this root"));
  }
  EXPECT_TRUE(RootDirectory::Open(temp.path() / "a" / "root").ok())
      << "the lock outlived its owner";
}

TEST(RootDirectoryTest, NamesWhatItCannotCreate) {
  const auto opened = RootDirectory::Open("/proc/nope");
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), HasSubstr("create '/proc/nope'"));
}

TEST(MakeDirectoryTest, GivesTheModeAskedForWhateverTheUmask) {
  const TempDir temp = Temp();
  for (const mode_t mask : {0U, 022U, 077U, 0777U}) {
    const fs::path path = temp.path() / std::to_string(mask);
    const mode_t before = ::umask(mask);
    const Status made = MakeDirectory(path, 0711);
    ::umask(before);
    ASSERT_TRUE(made.ok()) << made.error().message();
    EXPECT_EQ(fs::status(path).permissions(), fs::perms(0711)) << "umask " << mask;
  }
}

TEST(MakeDirectoryTest, NamesWhatIsInItsWay) {
  const TempDir temp = Temp();
  const Status made = MakeDirectory(temp.path(), 0700);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(made.error().message(), HasSubstr("create '" + temp.path().string() + "'"));
}

TEST(RemoveTreeTest, DoesNotFollowLinksAndMayBeRepeated) {
  const TempDir temp = Temp();
  fs::create_directories(temp.path() / "victim");
  fs::create_directories(temp.path() / "tree" / "deep");
  fs::create_directory_symlink(temp.path() / "victim", temp.path() / "tree" / "link");
  EXPECT_TRUE(RemoveTree(temp.path() / "tree").ok());
  EXPECT_FALSE(fs::exists(temp.path() / "tree"));
  EXPECT_TRUE(fs::exists(temp.path() / "victim"));
  EXPECT_TRUE(RemoveTree(temp.path() / "tree").ok());
}

TEST(MeasureUsageTest, CountsAllocatedBytesAndEachInodeOnce) {
  const TempDir temp = Temp();
  const fs::path root = temp.path() / "fs";
  fs::create_directories(root / "d");
  std::ofstream(root / "d" / "file") << std::string(10'000, 'x');
  const auto before = MeasureUsage(root);
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->inodes, 3U);
  EXPECT_GE(before->size_bytes, 10'000U);
  fs::create_hard_link(root / "d" / "file", root / "second");
  EXPECT_EQ(*MeasureUsage(root), *before) << "a hard link takes no space";
  EXPECT_EQ(MeasureUsage(root / "absent").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::snapshotter
