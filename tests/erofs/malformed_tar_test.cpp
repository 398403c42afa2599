#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/erofs/build_image.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

using ::testing::HasSubstr;

struct Refused {
  const char* what;
  std::string tar;
  const char* reason;
};

std::string Damaged(std::string tar, size_t at) {
  tar.at(at) = static_cast<char>(tar[at] ^ 1);
  return tar;
}

std::vector<Refused> Malformed() {
  const std::string one = TarMaker().File("name", std::string(2000, 'x')).Finish();
  const std::string long_name(256, 'n');
  return {
      {"text", std::string(2000, 'a'), "not a layer (tar, plain or in gzip or zstd)"},
      {"checksum", Damaged(one, 3), "not a layer"},
      {"checksum later", Damaged(TarMaker().File("a", "").File("b", "").Finish(), 600),
       "entry 2: it is not a tar header: its checksum does not fit"},
      {"cut in a header", one.substr(0, 300), "not a layer"},
      {"cut in a later header", TarMaker().File("a", "").File("b", "").Unfinished().substr(0, 700),
       "entry 2: the tar ends in the middle of it"},
      {"cut in data", one.substr(0, 1100), "entry 'name': its data"},
      {"climbs", TarMaker().File("a/../../x", "").Finish(),
       "'a/../../x': it climbs above the root"},
      {"climbs at once", TarMaker().File("../x", "").Finish(), "it climbs above the root"},
      {"root replaced", TarMaker().Symlink("/", "x").Finish(),
       "replace the root by something else"},
      {"no name", TarMaker().File("", "x").Finish(), "entry 1: it has no name"},
      {"name of 256 bytes", TarMaker().Add({.name = "x", .pax = {{"path", long_name}}}).Finish(),
       "a name in it is longer than 255 bytes"},
      {"path of 4096 bytes",
       TarMaker().Add({.name = "x", .pax = {{"path", std::string(4096, '/')}}}).Finish(),
       "its path is longer than 4095 bytes"},
      {"below a file", TarMaker().File("f", "").File("f/x", "").Finish(),
       "entry 'f/x': 'f' on its way is not a directory"},
      {"below a device",
       TarMaker().Add({.name = "f", .type = '3', .major = 1}).File("f/x", "").Finish(),
       "not a directory"},
      {"symlinks in a circle",
       TarMaker().Symlink("a", "b").Symlink("b", "a").File("a/x", "").Finish(),
       "too many symlinks on its way"},
      {"symlink to nothing", TarMaker().Symlink("a", "").Finish(), "target of a symlink"},
      {"symlink of 4096 bytes",
       TarMaker()
           .Add({.name = "l", .type = '2', .pax = {{"linkpath", std::string(4096, 'x')}}})
           .Finish(),
       "target of a symlink"},
      {"link to a missing file", TarMaker().HardLink("l", "missing").Finish(),
       "entry 'l': hard link to 'missing': no such file"},
      {"link above the root", TarMaker().HardLink("l", "../etc/passwd").Finish(),
       "hard link to '../etc/passwd': it climbs above the root"},
      {"link to a directory", TarMaker().Dir("d").HardLink("l", "d").Finish(),
       "hard link to a directory"},
      {"link to itself alone", TarMaker().HardLink("l", "l").Finish(), "no such file"},
      {"major number", TarMaker().Add({.name = "d", .type = '3', .major = 4096}).Finish(),
       "'d': its device number is out of range"},
      {"minor number", TarMaker().Add({.name = "d", .type = '4', .minor = 1U << 20}).Finish(),
       "its device number is out of range"},
      {"uid", TarMaker().Add({.name = "u", .pax = {{"uid", "4294967295"}}}).Finish(),
       "'u': its uid is out of range"},
      {"gid", TarMaker().Add({.name = "u", .pax = {{"gid", "99999999999"}}}).Finish(),
       "'u': its gid is out of range"},
      {"xattr name",
       TarMaker()
           .Add({.name = "u", .pax = {{"SCHILY.xattr.user." + std::string(251, 'k'), "v"}}})
           .Finish(),
       "'u': the name of an xattr is longer than 255 bytes"},
      {"xattr value",
       TarMaker()
           .Add({.name = "u", .pax = {{"SCHILY.xattr.user.k", std::string(65536, 'v')}}})
           .Finish(),
       "'u': xattr 'user.k' is longer than 65535 bytes"},
      {"xattrs together",
       TarMaker()
           .Add({.name = "u",
                 .pax = {{"SCHILY.xattr.user.1", std::string(65000, 'v')},
                         {"SCHILY.xattr.user.2", std::string(65000, 'v')},
                         {"SCHILY.xattr.user.3", std::string(65000, 'v')},
                         {"SCHILY.xattr.user.4", std::string(65000, 'v')},
                         {"SCHILY.xattr.user.5", std::string(65000, 'v')}}})
           .Finish(),
       "'u': its xattrs together are longer than 262136 bytes"},
      {"whiteout of nothing", TarMaker().File("a/.wh.", "").Finish(), "a whiteout of no name"},
      {"whiteout of ..", TarMaker().File(".wh...", "").Finish(), "a whiteout of no name"},
      {"whiteout as directory", TarMaker().File(".wh.a/b", "").Finish(),
       "a whiteout on its way is no directory"},
      {"pax header of nonsense",
       TarMaker().Add({.name = "p", .data = "nonsense", .type = 'x'}).File("f", "").Finish(),
       "entry 1"},
      {"control characters in the name", TarMaker().HardLink("a\nb'c", "x").Finish(),
       "entry 'a\\x0ab\\x27c'"},
  };
}

TEST(MalformedTarTest, IsRefusedAndTheEntryNamed) {
  for (const Refused& refused : Malformed()) {
    Image image;
    const auto built = image.Build(SourceOf(refused.tar));
    ASSERT_FALSE(built.ok()) << refused.what;
    EXPECT_EQ(built.error().code(), ErrorCode::kInvalidArgument) << refused.what;
    EXPECT_THAT(built.error().message(), HasSubstr(refused.reason)) << refused.what;
    EXPECT_EQ(built.error().message().find('\n'), std::string::npos) << refused.what;
  }
}

// Others take one block of zeros for the end, or for none: the same bytes would be two layers.
TEST(EndOfArchiveTest, ALoneBlockOfZerosIsTheEndOnlyIfNothingFollows) {
  const std::string zeros(512, '\0');
  const std::string before = TarMaker().File("a", "1").Unfinished();
  const std::string after = TarMaker().File("b", "2").Finish();
  Image image;
  const auto built = image.Build(SourceOf(before + zeros + after));
  ASSERT_FALSE(built.ok());
  EXPECT_EQ(built.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(built.error().message(),
            "after entry 1: one block of zeros, where two end a tar, and more behind it");
  for (const std::string& end : {std::string(), zeros, zeros + zeros, zeros + zeros + after}) {
    Image good;
    ASSERT_TRUE(good.Build(SourceOf(before + end)).ok()) << end.size();
    EXPECT_EQ(good.info.inodes, 2U) << end.size();
  }
}

TEST(EndOfArchiveTest, NoBytesAtAllAreALayerWithoutEntries) {
  Image nothing;
  ASSERT_TRUE(nothing.Build(SourceOf("")).ok());
  EXPECT_EQ(nothing.info.inodes, 1U);
  EXPECT_EQ(nothing.Fsck(), "");
  Image empty_tar;
  ASSERT_TRUE(empty_tar.Build(SourceOf(TarMaker().Finish())).ok());
  EXPECT_EQ(*ReadFile(nothing.path, 1U << 20), *ReadFile(empty_tar.path, 1U << 20));
}

// A list of where its data lies, in bytes that gzip makes a thousandth of.
TEST(LimitsTest, StopASparseFileOfEndlesslyManyPieces) {
  const std::string count = "2147483647";
  const std::string header =
      TarMaker()
          .Add({.name = "f", .data = "", .pax = {}})
          .Add({.name = "pax",
                .data = TarMaker::PaxRecord("GNU.sparse.major", "1") +
                        TarMaker::PaxRecord("GNU.sparse.minor", "0") +
                        TarMaker::PaxRecord("GNU.sparse.realsize", "100") +
                        TarMaker::PaxRecord("size", std::to_string(uint64_t{1} << 40)),
                .type = 'x'})
          .AddHeaderOnly({.name = "bomb"}, 0)
          .Unfinished() +
      count + "\n";
  std::string list;
  while (list.size() < 65536) list += "0\n0\n";
  Image image;
  size_t given = 0;
  const auto source = [&](std::span<std::byte> out) -> Result<size_t> {
    EXPECT_LT(given, 16U << 20) << "nobody stops it";
    const std::string_view next =
        given < header.size() ? std::string_view(header).substr(given) : std::string_view(list);
    const size_t size = std::min(out.size(), next.size());
    std::memcpy(out.data(), next.data(), size);
    given += size;
    return given < (64U << 20) ? size : 0;
  };
  const auto built = image.Build(source);
  ASSERT_FALSE(built.ok());
  EXPECT_EQ(built.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(built.error().message(), "entry 2: the map of its sparse data is too long");
}

TEST(LimitsTest, StopBeforeAnythingGrowsLarge) {
  TarMaker many;
  for (int i = 0; i < 10; ++i) many.Add({.name = "f" + std::to_string(i), .pax = {}});
  const std::string files = many.Finish();
  const std::string data = TarMaker().File("big", std::string(10000, 'x')).Finish();
  // Says 8 EiB, has nothing.
  const std::string bomb = TarMaker()
                               .Add({.name = "bomb",
                                     .data = "0\n" + std::string(510, '\0'),
                                     .pax = {{"GNU.sparse.major", "1"},
                                             {"GNU.sparse.minor", "0"},
                                             {"GNU.sparse.realsize", "9223372036854775807"}}})
                               .Finish();
  const std::string xattr =
      TarMaker()
          .Add({.name = "x", .pax = {{"SCHILY.xattr.user.x", std::string(200, 'x')}}})
          .Finish();
  // Little to say, much to keep.
  TarMaker many_links;
  many_links.File("f", "");
  for (int i = 0; i < 10; ++i) many_links.HardLink("l" + std::to_string(i), "f");
  const std::string links = many_links.Finish();
  const std::string whiteouts = TarMaker().File(".wh.a", "").File(".wh.b", "").Finish();
  TarItem small{.name = "x", .pax = {}};
  for (int i = 0; i < 10; ++i) small.pax["SCHILY.xattr.user." + std::to_string(i)] = "";
  const std::string small_xattrs = TarMaker().Add(small).Finish();
  struct Limited {
    std::string tar;
    ImageLimits limits;
    const char* reason;
  };
  const Limited table[] = {
      {files, {.inodes = 10}, "'f9': more than 10 files"},
      {data, {.image_bytes = 8192}, "'big': the image would be larger than 8192 bytes"},
      {TarMaker().Finish(), {.image_bytes = 4096}, "larger than 4096 bytes"},
      {bomb, {}, "'bomb': the image would be larger than 4398046511104 bytes"},
      {files, {.metadata_bytes = 10 * (64 + 2) - 1}, "'f9': names and symlink targets together"},
      {links, {.metadata_bytes = 300}, "'l3': names and symlink targets together"},
      {whiteouts, {.metadata_bytes = 100}, "'.wh.b': names and symlink targets together"},
      {xattr, {.metadata_bytes = 400}, "'x': distinct xattrs together"},
      {small_xattrs, {.metadata_bytes = 1000}, "'x': distinct xattrs together"}};
  for (const auto& [tar, limits, reason] : table) {
    Image image;
    const auto built = image.Build(SourceOf(tar), limits);
    ASSERT_FALSE(built.ok()) << reason;
    EXPECT_EQ(built.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_THAT(built.error().message(), HasSubstr(reason));
  }
}

}  // namespace
}  // namespace locket::erofs
