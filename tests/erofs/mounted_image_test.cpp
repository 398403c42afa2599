// What the kernel sees in our images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <clocale>
#include <fstream>

#include "tests/erofs/build_image.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

namespace fs = std::filesystem;

struct stat Stat(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info;
}

std::string Content(const fs::path& path) {
  auto content = ReadFile(path, 1U << 20);
  return content.ok() ? *content : content.error().message();
}

std::string Xattr(const fs::path& path, const char* name) {
  std::array<char, 256> value{};
  const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
  return size < 0 ? "none" : std::string(value.data(), static_cast<size_t>(size));
}

bool IsWhiteout(const fs::path& path) {
  const auto info = Stat(path);
  return S_ISCHR(info.st_mode) && info.st_rdev == 0;
}

class NastyTarTest : public ::testing::TestWithParam<const char*> {};

// Everything that a layer may hold, against a model in Python; see nasty_tar.py.
TEST_P(NastyTarTest, MountsAsTheModelSays) {
  if (!Image::CanMount()) GTEST_SKIP() << "needs root and loop devices";
  std::setlocale(LC_ALL, GetParam());
  Image image;
  const std::string script = LOCKET_SOURCE_DIR "/tests/erofs/nasty_tar.py";
  const std::string tar = image.temp.path() / "tar";
  ASSERT_EQ(RunCommand({"python3", script, "make", tar})->exit_status, 0);
  const auto bytes = ReadFile(tar, 64U << 20);
  ASSERT_TRUE(bytes.ok());
  const auto built = image.Build(SourceOf(*bytes));
  std::setlocale(LC_ALL, "C");
  ASSERT_TRUE(built.ok()) << built.error().message();
  EXPECT_EQ(image.info.ignored_xattrs, 1U);
  ASSERT_EQ(image.Fsck(), "");
  ASSERT_EQ(image.Mount(), "");
  const auto checked = RunCommand({"python3", script, "check", image.mount_point});
  EXPECT_EQ(checked->exit_status, 0) << checked->standard_output << checked->standard_error;
}

// In a UTF-8 locale libarchive would compose what the tar has decomposed.
INSTANTIATE_TEST_SUITE_P(Locales, NastyTarTest, ::testing::Values("C", "C.UTF-8"));

TEST(MountedImageTest, HoldsAnEmptyLayer) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker().Finish());
  EXPECT_EQ(fs::directory_iterator(image.mount_point), fs::directory_iterator());
  EXPECT_EQ(Stat(image.mount_point).st_mode, S_IFDIR | 0755U);
  EXPECT_EQ(image.info.inodes, 1U);
  EXPECT_EQ(image.info.size_bytes, 2 * kBlockSize);
}

TEST(MountedImageTest, KeepsALowerLayersNameHiddenWhereTheLayerHasItToo) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker()
                                    .File("a/.wh.first", "")
                                    .File("a/first/new", "1")
                                    .File("b/later/new", "2")
                                    .File("b/.wh.later", "")
                                    .File("c/.wh.file", "")
                                    .File("c/file", "3")
                                    .File("d/.wh.gone", "")
                                    .Dir("e")
                                    .File("e/.wh..wh..opq", "")
                                    .Finish());
  EXPECT_EQ(Xattr(image.mount_point / "a/first", "trusted.overlay.opaque"), "y");
  EXPECT_EQ(Xattr(image.mount_point / "b/later", "trusted.overlay.opaque"), "y");
  EXPECT_EQ(Xattr(image.mount_point / "a", "trusted.overlay.opaque"), "none");
  EXPECT_EQ(Content(image.mount_point / "b/later/new"), "2");
  EXPECT_EQ(Content(image.mount_point / "c/file"), "3");
  EXPECT_TRUE(IsWhiteout(image.mount_point / "d/gone"));
  EXPECT_EQ(Xattr(image.mount_point / "e", "trusted.overlay.opaque"), "y");
}

TEST(MountedImageTest, HidesLowerFilesUnderTheKernelsOverlay) {
  Image lower;
  LOCKET_BUILD_AND_MOUNT(lower, TarMaker()
                                    .File("removed", "x")
                                    .File("dir/old", "x")
                                    .File("replaced/old", "x")
                                    .File("kept", "x")
                                    .Finish());
  Image upper;
  LOCKET_BUILD_AND_MOUNT(upper, TarMaker()
                                    .File(".wh.removed", "")
                                    .File("dir/.wh..wh..opq", "")
                                    .File("dir/new", "y")
                                    .File(".wh.replaced", "")
                                    .File("replaced/new", "y")
                                    .Finish());
  const fs::path merged = upper.temp.path() / "merged";
  fs::create_directory(merged);
  const std::string options =
      "lowerdir=" + upper.mount_point.string() + ":" + lower.mount_point.string();
  if (::mount("overlay", merged.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0) {
    GTEST_SKIP() << "no overlayfs here";
  }
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(merged)) {
    paths.push_back(fs::relative(entry.path(), merged));
  }
  ::umount2(merged.c_str(), MNT_DETACH);
  EXPECT_THAT(
      paths, ::testing::UnorderedElementsAre("kept", "dir", "dir/new", "replaced", "replaced/new"));
}

TEST(MountedImageTest, LetsALaterEntryWinWhateverItReplaces) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker()
                                    .File("d/x", "1")
                                    .HardLink("survivor", "d/x")
                                    .Symlink("d", "elsewhere")
                                    .File("link", "old")
                                    .HardLink("link2", "link")
                                    .File("link", "new")
                                    .File("self", "self")
                                    .HardLink("self", "self")
                                    .File("t/inner", "moved up")
                                    .HardLink("t", "t/inner")
                                    .Finish());
  EXPECT_EQ(Content(image.mount_point / "survivor"), "1");
  EXPECT_EQ(Stat(image.mount_point / "survivor").st_nlink, 1U);
  EXPECT_EQ(fs::read_symlink(image.mount_point / "d"), "elsewhere");
  EXPECT_EQ(Content(image.mount_point / "link"), "new");
  EXPECT_EQ(Content(image.mount_point / "link2"), "old");
  EXPECT_EQ(Content(image.mount_point / "self"), "self");
  EXPECT_EQ(Content(image.mount_point / "t"), "moved up");
}

TEST(MountedImageTest, FollowsSymlinksInsideTheRootOnly) {
  Image image;
  LOCKET_BUILD_AND_MOUNT(image, TarMaker()
                                    .Symlink("out", "../../../../tmp")
                                    .File("out/escaped", "1")
                                    .Symlink("a", "b")
                                    .Symlink("b", "/made/on/the/way")
                                    .File("a/file", "2")
                                    .File("out", "replaces the link, not its target")
                                    .Finish());
  EXPECT_EQ(Content(image.mount_point / "tmp/escaped"), "1");
  EXPECT_EQ(Content(image.mount_point / "made/on/the/way/file"), "2");
  EXPECT_EQ(Content(image.mount_point / "out"), "replaces the link, not its target");
  EXPECT_FALSE(fs::exists("/tmp/escaped"));
}

// 5 GiB of holes with data at both ends, as GNU tar writes it (pax sparse format 1.0).
TEST(MountedImageTest, HoldsSparseFilesOfMoreThan4GiB) {
  Image image;
  const uint64_t size = (uint64_t{5} << 30) + 6;
  const fs::path sparse = image.temp.path() / "sparse";
  std::ofstream(sparse) << "begin";
  fs::resize_file(sparse, size - 3);
  std::ofstream(sparse, std::ios::app) << "end";
  const std::string tar = image.temp.path() / "tar";
  ASSERT_EQ(RunCommand({"tar", "--format=pax", "-S", "-C", image.temp.path(), "-cf", tar, "sparse"})
                ->exit_status,
            0);
  LOCKET_BUILD_AND_MOUNT(image, *ReadFile(tar, 1U << 20));
  const fs::path mounted = image.mount_point / "sparse";
  EXPECT_EQ(fs::file_size(mounted), size);
  const auto fd = OpenFile(mounted, O_RDONLY);
  std::array<std::byte, 5> begin;
  std::array<std::byte, 5> end;
  ASSERT_TRUE(PreadFull(fd->get(), begin, 0).ok());
  ASSERT_TRUE(PreadFull(fd->get(), end, size - 5).ok());
  EXPECT_EQ(std::memcmp(begin.data(), "begin", 5), 0);
  EXPECT_EQ(std::memcmp(end.data(), "\0\0end", 5), 0);
}

class SparseFormatTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SparseFormatTest, IsUnderstood) {
  Image image;
  const fs::path sparse = image.temp.path() / "sparse";
  for (int piece = 0; piece < 6; ++piece) {
    std::ofstream file(sparse, std::ios::app);
    file << std::string(5000, static_cast<char>('a' + piece));
    file.close();
    fs::resize_file(sparse, fs::file_size(sparse) + 100000);
  }
  const std::string tar = image.temp.path() / "tar";
  const auto run =
      RunCommand({"tar", GetParam().starts_with("gnu") ? "--format=gnu" : "--format=pax",
                  "--sparse-version=" + GetParam().substr(GetParam().size() - 3), "-S", "-C",
                  image.temp.path(), "-cf", tar, "sparse"});
  ASSERT_EQ(run->exit_status, 0) << run->standard_error;
  LOCKET_BUILD_AND_MOUNT(image, *ReadFile(tar, 1U << 20));
  EXPECT_EQ(*ReadFile(image.mount_point / "sparse", 1U << 20), *ReadFile(sparse, 1U << 20));
}

INSTANTIATE_TEST_SUITE_P(Formats, SparseFormatTest,
                         ::testing::Values("gnu 0.0", "pax 0.0", "pax 0.1", "pax 1.0"));

}  // namespace
}  // namespace locket::erofs
