#include "base/pending_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/file.h"

namespace locket {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PendingFileTest : public ::testing::Test {
 protected:
  size_t NumEntries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(temp_.path()), {}));
  }
  PendingFile Begin(const fs::path& path) const {
    auto file = PendingFile::Create(path);
    EXPECT_TRUE(file.ok());
    EXPECT_TRUE(WriteFull(file->fd(), AsBytes("new")).ok());
    return std::move(file).value();
  }

  const TempDir temp_ =
      std::move(TempDir::Create(fs::temp_directory_path(), "pending-file-test-")).value();
  const fs::path path_ = temp_.path() / "file";
};

TEST_F(PendingFileTest, LeavesTheOldFileUntilItIsCommitted) {
  ASSERT_TRUE(ReplaceFileDurably(path_, "old").ok());
  PendingFile file = Begin(path_);
  EXPECT_EQ(*ReadFile(path_, 10), "old");
  ASSERT_TRUE(file.Commit(0640).ok());
  EXPECT_EQ(*ReadFile(path_, 10), "new");
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0640));
  EXPECT_EQ(NumEntries(), 1U);
}

TEST_F(PendingFileTest, IsGoneWhenItDiesUncommitted) {
  { const PendingFile file = Begin(path_); }
  EXPECT_EQ(NumEntries(), 0U);
}

TEST_F(PendingFileTest, IsForNobodyElseBeforeItIsCommitted) {
  const PendingFile file = Begin(path_);
  const fs::path name = fs::directory_iterator(temp_.path())->path();
  EXPECT_EQ(fs::status(name).permissions(), fs::perms(0600));
}

TEST_F(PendingFileTest, LivesOnWhereItWasMovedTo) {
  PendingFile first = Begin(path_);
  {
    PendingFile second = std::move(first);
    ASSERT_TRUE(second.Commit(0644, Durability::kNone).ok());
  }
  EXPECT_EQ(*ReadFile(path_, 10), "new");
}

TEST_F(PendingFileTest, NamesTheDirectoryItCannotBeIn) {
  const auto file = PendingFile::Create(temp_.path() / "missing" / "file");
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(file.error().message(), HasSubstr("create '" + (temp_.path() / "missing").string()));
}

TEST_F(PendingFileTest, LeavesNothingBehindWhenItsPlaceIsTaken) {
  fs::create_directory(path_);
  {
    PendingFile file = Begin(path_);
    const Status committed = file.Commit(0644);
    ASSERT_FALSE(committed.ok());
    EXPECT_THAT(committed.error().message(), HasSubstr("rename to '" + path_.string() + "'"));
  }
  EXPECT_EQ(NumEntries(), 1U);
}

}  // namespace
}  // namespace locket
