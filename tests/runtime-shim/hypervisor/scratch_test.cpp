#include "runtime-shim/hypervisor/scratch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ScratchFileTest : public ::testing::Test {
 protected:
  const TempDir dir_ = TempDir::Create("/tmp", "shim-scratch").value();
  const std::filesystem::path place_ = dir_.path() / "made/here";
};

TEST_F(ScratchFileTest, IsSparseWritableAndNameless) {
  const auto scratch = MakeScratch(place_, 64);
  ASSERT_TRUE(scratch.ok()) << scratch.error().message();
  ASSERT_TRUE(scratch->has_value());
  EXPECT_TRUE(std::filesystem::is_empty(place_));
  struct stat status {};
  ASSERT_EQ(::fstat((*scratch)->fd.get(), &status), 0);
  EXPECT_EQ(status.st_size, 64 << 20);
  EXPECT_EQ(status.st_blocks, 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(status.st_nlink, 0U);
  EXPECT_EQ((*scratch)->disk.serial, "locket-scratch");
  EXPECT_TRUE((*scratch)->disk.writable);
}

TEST_F(ScratchFileTest, AnotherProcessOpensItByItsPath) {
  const auto scratch = MakeScratch(place_, 16);
  ASSERT_TRUE(scratch.ok() && scratch->has_value());
  const auto opened = OpenFile((*scratch)->disk.path, O_RDWR);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  ASSERT_TRUE(WriteFull(opened->get(), AsBytes("through it")).ok());
  std::string text(10, '\0');
  ASSERT_TRUE(PreadFull((*scratch)->fd.get(), std::as_writable_bytes(std::span(text)), 0).ok());
  EXPECT_EQ(text, "through it");
}

TEST_F(ScratchFileTest, NoneIsMadeForZero) {
  const auto scratch = MakeScratch(place_, 0);
  ASSERT_TRUE(scratch.ok());
  EXPECT_FALSE(scratch->has_value());
  EXPECT_FALSE(std::filesystem::exists(place_));
}

TEST_F(ScratchFileTest, WantOfRoomIsSaidWithTheWayOut) {
  const auto scratch = MakeScratch(place_, UINT32_MAX);
  ASSERT_FALSE(scratch.ok());
  EXPECT_EQ(scratch.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(scratch.error().message(),
              AllOf(HasSubstr("make a scratch disk of 4294967295 MiB: '" + place_.string() +
                              "' has room for "),
                    HasSubstr("scratch_mib or scratch_dir")));
  EXPECT_TRUE(std::filesystem::is_empty(place_));
}

TEST_F(ScratchFileTest, ADirectoryThatCannotBeMadeIsNamed) {
  ASSERT_TRUE(ReplaceFileDurably(dir_.path() / "made", "a file").ok());
  const auto scratch = MakeScratch(place_, 16);
  ASSERT_FALSE(scratch.ok());
  EXPECT_THAT(scratch.error().message(), HasSubstr("make '" + place_.string() + "'"));
}

}  // namespace
}  // namespace locket::runtime_shim
