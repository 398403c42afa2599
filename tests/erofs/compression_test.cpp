// Compressed images, as erofs-utils and the kernel read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <random>

#include "tests/erofs/build_image.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Bytes that LZ4 makes about `ratio` times smaller; 1: not at all.
std::string Content(size_t size, int ratio) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string content;
  while (content.size() < size) {
    std::string word(16, '\0');
    for (char& c : word) c = static_cast<char>(random());
    for (int i = 0; i < ratio; ++i) content += word;
  }
  content.resize(size);
  return content;
}

// By name, so that a test can compare.
std::map<std::string, std::string> Files() {
  std::map<std::string, std::string> files;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{4097},
                            size_t{8191}, size_t{8192}, size_t{8193}, size_t{12288}, size_t{65535},
                            size_t{65537}, size_t{131072}, size_t{131073}, size_t{1000000}}) {
    for (const int ratio : {1, 2, 3, 20}) {
      files["size-" + std::to_string(size) + "-" + std::to_string(ratio)] = Content(size, ratio);
    }
  }
  files["zeros"] = std::string(3U << 20, '\0');
  files["text-then-noise"] = Content(500000, 5) + Content(700001, 1);
  files["noise-then-text"] = Content(700000, 1) + Content(500001, 5);
  std::string mixed;
  for (int i = 0; i < 200; ++i) {
    const auto size = static_cast<size_t>(i) * 379 % 9000;
    mixed += Content(size, i % 3 == 0 ? 1 : 4);
  }
  files["mixed"] = mixed;
  return files;
}

std::string TarOf(const std::map<std::string, std::string>& files) {
  TarMaker tar;
  for (const auto& [name, content] : files) tar.File(name, content);
  return tar.Finish();
}

void ExpectSame(const fs::path& directory, const std::map<std::string, std::string>& files) {
  for (const auto& [name, content] : files) {
    const auto got = ReadFile(directory / name, 16U << 20);
    ASSERT_TRUE(got.ok()) << name << ": " << got.error().message();
    EXPECT_TRUE(*got == content) << name;
  }
}

TEST(CompressionTest, GivesTheKernelEveryFileBack) {
  if (!Image::CanMount()) GTEST_SKIP() << "needs root and loop devices";
  const auto files = Files();
  Image image;
  image.compression = Compression::kLz4;
  const std::string tar = TarOf(files);
  const auto built = image.Build(SourceOf(tar));
  ASSERT_TRUE(built.ok()) << built.error().message();
  ASSERT_EQ(image.Fsck(), "");
  const std::string refused = image.Mount();
  if (refused.find("unknown") != refused.npos) GTEST_SKIP() << "no EROFS compression here";
  ASSERT_EQ(refused, "");
  ExpectSame(image.mount_point, files);
  // Single blocks from the middle, in no order: each read finds its piece by the index alone.
  for (const char* name : {"zeros", "mixed", "text-then-noise", "size-1000000-3"}) {
    const auto fd = OpenFile(image.mount_point / name, O_RDONLY);
    ASSERT_TRUE(fd.ok());
    ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);
    ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_RANDOM);
    const std::string& content = files.at(name);
    for (size_t block = content.size() / 4096 - 1; block > 2; block -= std::min<size_t>(block, 7)) {
      std::string got(100, '\0');
      const auto out = std::as_writable_bytes(std::span(got));
      ASSERT_TRUE(PreadFull(fd->get(), out, block * 4096 + 11).ok());
      EXPECT_EQ(got, content.substr(block * 4096 + 11, 100)) << name << " block " << block;
    }
  }
}

TEST(CompressionTest, GivesErofsUtilsEveryFileBack) {
  const auto files = Files();
  Image image;
  image.compression = Compression::kLz4;
  const std::string tar = TarOf(files);
  ASSERT_TRUE(image.Build(SourceOf(tar)).ok());
  const fs::path out = image.temp.path() / "out";
  const auto run = RunCommand({"fsck.erofs", "--extract=" + out.string(), image.path});
  ASSERT_TRUE(run.ok()) << run.error().message();
  ASSERT_EQ(run->exit_status, 0) << run->standard_output << run->standard_error;
  ExpectSame(out, files);
}

uint64_t SizeWith(Compression compression, const std::string& tar) {
  Image image;
  image.compression = compression;
  EXPECT_TRUE(image.Build(SourceOf(tar)).ok());
  return image.info.size_bytes;
}

TEST(CompressionTest, MakesAnImageSmallerAndNeverMuchLarger) {
  const std::string text = TarOf({{"a", Content(1U << 20, 4)}, {"b", Content(1U << 20, 4)}});
  EXPECT_LT(SizeWith(Compression::kLz4, text) * 2, SizeWith(Compression::kNone, text));
  const std::string noise = TarOf({{"a", Content(1U << 20, 1)}, {"b", Content(5000, 1)}});
  EXPECT_EQ(SizeWith(Compression::kLz4, noise), SizeWith(Compression::kNone, noise));
}

TEST(CompressionTest, MarksTheImageOnlyIfAFileIsCompressed) {
  for (const int ratio : {1, 5}) {
    Image image;
    image.compression = Compression::kLz4;
    const std::string tar = TarOf({{"a", Content(100000, ratio)}});
    ASSERT_TRUE(image.Build(SourceOf(tar)).ok());
    const auto dump = RunCommand({"dump.erofs", "-s", image.path});
    EXPECT_EQ(dump->standard_output.find("0padding") != std::string::npos, ratio == 5)
        << dump->standard_output;
  }
}

TEST(CompressionTest, MakesTheSameImageHoweverTheTarArrives) {
  const std::string tar = TarOf(Files());
  std::string first;
  for (const size_t piece : {size_t{1} << 20, size_t{1000}, size_t{7}}) {
    Image image;
    image.compression = Compression::kLz4;
    ASSERT_TRUE(image.Build(SourceOf(tar, piece)).ok());
    const std::string bytes = *ReadFile(image.path, 64U << 20);
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first) << piece;
  }
}

TEST(CompressionTest, CompressesHolesAndKeepsXattrsBeforeTheIndex) {
  Image image;
  image.compression = Compression::kLz4;
  const uint64_t size = 10U << 20;
  const TarItem sparse{.name = "x",
                       .data = "0\n" + std::string(510, '\0'),
                       .pax = {{"GNU.sparse.major", "1"},
                               {"GNU.sparse.minor", "0"},
                               {"GNU.sparse.name", "sparse"},
                               {"GNU.sparse.realsize", std::to_string(size)},
                               {"SCHILY.xattr.user.odd", "12345"}}};
  LOCKET_BUILD_AND_MOUNT(image, TarMaker().Add(sparse).Finish());
  EXPECT_EQ(*ReadFile(image.mount_point / "sparse", 16U << 20), std::string(size, '\0'));
  EXPECT_LT(image.info.size_bytes, size / 10);
  const auto xattr =
      RunCommand({"python3", "-c", "import os,sys; print(os.getxattr(sys.argv[1], 'user.odd'))",
                  image.mount_point / "sparse"});
  EXPECT_EQ(xattr->standard_output, "b'12345'\n");
}

}  // namespace
}  // namespace locket::erofs
