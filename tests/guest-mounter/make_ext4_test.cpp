#include "guest-mounter/make_ext4.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "base/subprocess.h"

namespace locket::guest_mounter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string After(const std::vector<std::string>& argv, const std::string& option) {
  const auto it = std::find(argv.begin(), argv.end(), option);
  return it == argv.end() || it + 1 == argv.end() ? "" : *(it + 1);
}

TEST(MakeExt4Test, InodesAreForEvery32KibUntilThereAreAMillion) {
  EXPECT_EQ(After(Ext4Command("/dev/x", uint64_t{64} << 20), "-i"), "32768");
  EXPECT_EQ(After(Ext4Command("/dev/x", uint64_t{32} << 30), "-i"), "32768");
  EXPECT_EQ(After(Ext4Command("/dev/x", uint64_t{1} << 40), "-i"), "1048576");
  EXPECT_EQ(Ext4Command("/dev/x", 0).back(), "/dev/x");
}

TEST(MakeExt4Test, MakesAFileSystemWithoutAJournalOrBackupsAndTouchesLittleOfIt) {
  const auto directory = TempDir::Create(::testing::TempDir(), "ext4");
  const std::string file = (directory->path() / "disk").string();
  std::ofstream(file).close();
  std::filesystem::resize_file(file, uint64_t{256} << 20);
  const Status made = MakeExt4(file);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const auto shown = RunCommand({"/usr/sbin/dumpe2fs", file});
  ASSERT_TRUE(shown.ok()) << shown.error().message();
  EXPECT_THAT(shown->standard_output, HasSubstr("metadata_csum"));
  EXPECT_THAT(shown->standard_output, Not(HasSubstr("has_journal")));
  EXPECT_THAT(shown->standard_output, Not(HasSubstr("Backup superblock")));
  const auto used = RunCommand({"du", "--block-size=1", file});
  ASSERT_TRUE(used.ok());
  EXPECT_LT(std::stoull(used->standard_output), uint64_t{8} << 20) << "the file stays sparse";
}

TEST(MakeExt4Test, WhatMke2fsSaysIsPassedOn) {
  const auto directory = TempDir::Create(::testing::TempDir(), "ext4");
  const std::string file = (directory->path() / "disk").string();
  std::ofstream(file) << std::string(8192, 'x');  // too small for an ext4
  const Status made = MakeExt4(file);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().message(), HasSubstr("mke2fs: exit status 1: "));
  EXPECT_THAT(MakeExt4(file + "-absent").error().message(), HasSubstr("disk-absent"));
}

}  // namespace
}  // namespace locket::guest_mounter
