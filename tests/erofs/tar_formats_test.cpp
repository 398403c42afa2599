// What tar programs other than Python's write, and what no small tar has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/erofs/build_image.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct stat Stat(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info;
}

std::string Content(const fs::path& path) { return *ReadFile(path, 1U << 20); }

// 180 bytes, so that it needs the prefix of ustar, the long names of GNU, or pax.
std::string LongName(char letter) {
  return std::string(90, letter) + "/" + std::string(89, letter);
}

class GnuTarTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GnuTarTest, IsUnderstoodInEachOfItsFormats) {
  Image image;
  const fs::path tree = image.temp.path() / "tree";
  fs::create_directories(tree / LongName('d'));
  std::ofstream(tree / LongName('d') / "file") << "long";
  std::ofstream(tree / "a") << "short";
  fs::create_hard_link(tree / "a", tree / "hard");
  fs::create_symlink(std::string(99, 't'), tree / "link");
  const std::string tar = image.temp.path() / "tar";
  const auto run =
      RunCommand({"tar", "--format=" + GetParam(), "--owner=o:70000", "--group=g:90000",
                  "--mtime=@1700000000", "--sort=name", "-C", tree, "-cf", tar, "."});
  ASSERT_EQ(run->exit_status, 0) << run->standard_error;
  LOCKET_BUILD_AND_MOUNT(image, *ReadFile(tar, 1U << 20));
  EXPECT_EQ(Content(image.mount_point / LongName('d') / "file"), "long");
  EXPECT_EQ(fs::read_symlink(image.mount_point / "link"), std::string(99, 't'));
  const auto hard = Stat(image.mount_point / "hard");
  EXPECT_EQ(hard.st_nlink, 2U);
  EXPECT_EQ(hard.st_ino, Stat(image.mount_point / "a").st_ino);
  EXPECT_EQ(hard.st_uid, 70000U);
  EXPECT_EQ(hard.st_gid, 90000U);
  EXPECT_EQ(hard.st_mtime, 1700000000);
}

INSTANTIATE_TEST_SUITE_P(Formats, GnuTarTest, ::testing::Values("ustar", "oldgnu", "gnu", "posix"));

// GNU tar writes these as binary numbers, or as names longer than 100 bytes in entries of their
// own.
TEST(GnuTarTest, KeepsNumbersAndNamesThatTheHeaderHasNoRoomFor) {
  Image image;
  const fs::path tree = image.temp.path() / "tree";
  fs::create_directories(tree / LongName('d') / LongName('e'));
  std::ofstream(tree / LongName('d') / LongName('e') / "file") << "long";
  fs::create_hard_link(tree / LongName('d') / LongName('e') / "file", tree / "zz-hard");
  fs::create_symlink(std::string(4000, 't'), tree / "link");
  const std::string tar = image.temp.path() / "tar";
  const auto run =
      RunCommand({"tar", "--format=gnu", "--owner=o:4000000000", "--group=g:4294967294",
                  "--mtime=@-86400", "--sort=name", "-C", tree, "-cf", tar, "."});
  ASSERT_EQ(run->exit_status, 0) << run->standard_error;
  LOCKET_BUILD_AND_MOUNT(image, *ReadFile(tar, 1U << 20));
  EXPECT_EQ(Content(image.mount_point / LongName('d') / LongName('e') / "file"), "long");
  EXPECT_EQ(Content(image.mount_point / "zz-hard"), "long");
  EXPECT_EQ(fs::read_symlink(image.mount_point / "link"), std::string(4000, 't'));
  EXPECT_EQ(Stat(image.mount_point / "zz-hard").st_uid, 4000000000U);
  EXPECT_EQ(Stat(image.mount_point / "zz-hard").st_gid, 4294967294U);
  EXPECT_EQ(Stat(image.mount_point / "zz-hard").st_mtime, -86400);
}

TEST(PaxTest, KeepsTimesToTheNanosecond) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(
      image, TarMaker().Add({.name = "file", .pax = {{"mtime", "1700000000.123456789"}}}).Finish());
  EXPECT_EQ(Stat(image.mount_point / "file").st_mtim.tv_sec, 1700000000);
  EXPECT_EQ(Stat(image.mount_point / "file").st_mtim.tv_nsec, 123456789);
}

TEST(PaxTest, KeepsFractionsOfTimesBefore1970) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image,
                         TarMaker().Add({.name = "file", .pax = {{"mtime", "-1.25"}}}).Finish());
  EXPECT_EQ(Stat(image.mount_point / "file").st_mtim.tv_sec, -2);
  EXPECT_EQ(Stat(image.mount_point / "file").st_mtim.tv_nsec, 750'000'000);
}

// pax global headers say things about all entries that follow; git archive writes one.
TEST(PaxTest, PutsUpWithGlobalHeaders) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker()
                                    .Add({.name = "pax_global_header",
                                          .data = TarMaker::PaxRecord("comment", "a commit"),
                                          .type = 'g'})
                                    .File("file", "content")
                                    .Finish());
  EXPECT_EQ(Content(image.mount_point / "file"), "content");
  EXPECT_EQ(image.info.inodes, 2U);
}

TEST(LargeTest, HoldsFilesOfMoreThan4GiBThatAreNotSparse) {
  if (!Image::CanMount()) GTEST_SKIP() << "needs root and loop devices";
  constexpr uint64_t kSize = (uint64_t{4} << 30) + 5;
  TarItem item{.name = "big", .data = {}};
  const std::string header = TarMaker().AddHeaderOnly(item, kSize).Unfinished();
  const std::vector<std::byte> zeros(1U << 20);
  const std::string end = "final" + std::string(507 + 1024, '\0');
  uint64_t given = 0;
  Image image;
  CheckingSink sink(image.fd.get());
  auto builder = ImageBuilder::Create({.spool_directory = image.temp.path()}, sink);
  ASSERT_TRUE(builder.ok());
  const auto added = builder->AddTar([&]() -> Result<std::span<const std::byte>> {
    const uint64_t at = given++;
    if (at == 0) return AsBytes(header);
    if (at <= (kSize - 5) / zeros.size()) return std::span<const std::byte>(zeros);
    return at == (kSize - 5) / zeros.size() + 1 ? AsBytes(end) : std::span<const std::byte>();
  });
  ASSERT_TRUE(added.ok()) << added.error().message();
  const auto info = builder->Finish(kSomeUuid);
  ASSERT_TRUE(info.ok());
  ASSERT_EQ(::ftruncate(image.fd.get(), static_cast<off_t>(info->size_bytes)), 0);
  ASSERT_EQ(image.Mount(), "");
  EXPECT_EQ(fs::file_size(image.mount_point / "big"), kSize);
  const auto fd = OpenFile(image.mount_point / "big", O_RDONLY);
  std::array<std::byte, 6> last;
  ASSERT_TRUE(PreadFull(fd->get(), last, kSize - 6).ok());
  EXPECT_EQ(std::memcmp(last.data(), "\0final", 6), 0);
}

TEST(LargeTest, HoldsDirectoriesOfManyBlocks) {
  Image image;
  TarMaker tar;
  constexpr int kFiles = 20'000;  // 80 blocks of directory
  const auto name = [](int i) { return "file-" + std::to_string(i * 7919 % kFiles); };
  for (int i = 0; i < kFiles; ++i) tar.File(name(i), std::to_string(i));
  LOCKET_BUILD_AND_MOUNT(image, tar.Finish());
  // Each found by name, which is a binary search of the kernel's over blocks and names.
  for (int i = 0; i < kFiles; i += 97) {
    EXPECT_EQ(Content(image.mount_point / name(i)), std::to_string(i));
  }
  EXPECT_FALSE(fs::exists(image.mount_point / "file-"));
  EXPECT_EQ(std::distance(fs::directory_iterator(image.mount_point), {}), kFiles);
}

// A whiteout is one by its name; containerd does not look at what else the entry says.
TEST(WhiteoutTest, CountsWhateverTypeItsEntryHas) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker()
                                    .Symlink(".wh.link", "anywhere")
                                    .Dir("d")
                                    .Dir("d/.wh.dir/")
                                    .Add({.name = "d/.wh.fifo", .type = '6'})
                                    .Add({.name = "d/.wh.data", .data = "ignored"})
                                    .Finish());
  for (const char* hidden : {"link", "d/dir", "d/fifo", "d/data"}) {
    const auto info = Stat(image.mount_point / hidden);
    EXPECT_TRUE(S_ISCHR(info.st_mode) && info.st_rdev == 0) << hidden;
  }
  EXPECT_EQ(image.info.inodes, 6U);
}

TEST(WhiteoutTest, GoesWhereTheSymlinksOnItsWayLead) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(
      image, TarMaker().Dir("real").Symlink("alias", "/real").File("alias/.wh.gone", "").Finish());
  EXPECT_TRUE(S_ISCHR(Stat(image.mount_point / "real/gone").st_mode));
  EXPECT_EQ(fs::read_symlink(image.mount_point / "alias"), "/real");
}

TEST(WhiteoutTest, HidesAllOfTheLowerLayersAtTheRoot) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker().File(".wh..wh..opq", "").File("new", "x").Finish());
  const auto opaque = RunCommand(
      {"python3", "-c", "import os,sys; print(os.getxattr(sys.argv[1], 'trusted.overlay.opaque'))",
       image.mount_point});
  EXPECT_EQ(opaque->standard_output, "b'y'\n");
}

// The name and a whiteout of a name longer than a marker leaves room for.
TEST(WhiteoutTest, HidesNamesUpToTheLongest) {
  const std::string longest(251, 'n');
  Image image;
  LOCKET_BUILD_AND_MOUNT(
      image, TarMaker().Add({.name = "x", .pax = {{"path", ".wh." + longest}}}).Finish());
  EXPECT_TRUE(S_ISCHR(Stat(image.mount_point / longest).st_mode));
}

TEST(HolesTest, AreLimitedInAll) {
  const auto sparse = [](const std::string& name, uint64_t size) {
    return TarItem{.name = name,
                   .data = "0\n" + std::string(510, '\0'),
                   .pax = {{"GNU.sparse.major", "1"},
                           {"GNU.sparse.minor", "0"},
                           {"GNU.sparse.name", name},
                           {"GNU.sparse.realsize", std::to_string(size)}}};
  };
  const std::string tar =
      TarMaker().Add(sparse("one", 3U << 20)).Add(sparse("two", 3U << 20)).Finish();
  Image image;
  const auto built = image.Build(SourceOf(tar), {.hole_bytes = 5U << 20});
  ASSERT_FALSE(built.ok());
  EXPECT_EQ(built.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(built.error().message(),
              HasSubstr("entry 'two': the layer's sparse files have more than 5242880 bytes of "
                        "holes, which an image holds as zeros"));
  Image enough;
  EXPECT_TRUE(enough.Build(SourceOf(tar), {.hole_bytes = 6U << 20}).ok());
}

}  // namespace
}  // namespace locket::erofs
