#include "base/nameless_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/encoding.h"
#include "base/file.h"

namespace locket {
namespace {

TEST(NamelessFileTest, HoldsBytesAndLeavesNothingInTheDirectory) {
  const TempDir directory = *TempDir::Create("/tmp", "nameless-test-");
  const auto fd = OpenNamelessFile(directory.path());
  ASSERT_TRUE(fd.ok()) << fd.error().message();
  ASSERT_TRUE(WriteFull(fd->get(), AsBytes("content")).ok());
  std::string content(7, '\0');
  ASSERT_TRUE(PreadFull(fd->get(), std::as_writable_bytes(std::span(content)), 0).ok());
  EXPECT_EQ(content, "content");
  struct stat status {};
  ASSERT_EQ(::fstat(fd->get(), &status), 0);
  EXPECT_EQ(status.st_nlink, 0U);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(NamelessFileTest, NamesADirectoryThatIsNotThere) {
  const auto fd = OpenNamelessFile("/no/where");
  ASSERT_FALSE(fd.ok());
  EXPECT_EQ(fd.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(fd.error().message(), ::testing::StartsWith("create '/no/where/"));
}

}  // namespace
}  // namespace locket
