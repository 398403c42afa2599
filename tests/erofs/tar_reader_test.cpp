// What each entry of a tar is read as, and that an odd one never moves those behind it.
#include "erofs/tar_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/erofs/build_image.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct ReadEntry {
  TarEntry entry;
  std::string data;
};

// Every entry of the tar, given in pieces of `piece` bytes.
Result<std::vector<ReadEntry>> ReadAll(std::string_view tar, size_t piece = 1U << 20) {
  TarReader reader([&]() -> Result<std::span<const std::byte>> {
    const auto next = AsBytes(tar.substr(0, piece));
    tar.remove_prefix(next.size());
    return next;
  });
  std::vector<ReadEntry> entries;
  while (true) {
    LOCKET_TRY_ASSIGN(auto entry, reader.Next());
    if (!entry) break;
    std::string data;
    LOCKET_TRY(reader.ReadData([&](uint64_t offset, std::span<const std::byte> bytes) {
      data.resize(offset);
      data.append(AsText(bytes));
      return Ok();
    }));
    entries.push_back({.entry = *std::move(entry), .data = std::move(data)});
  }
  LOCKET_TRY(reader.Drain());
  return entries;
}

std::vector<std::string> Paths(const std::string& tar) {
  const auto entries = ReadAll(tar);
  EXPECT_TRUE(entries.ok()) << entries.error().message();
  std::vector<std::string> paths;
  if (entries.ok()) {
    for (const auto& entry : *entries) paths.push_back(entry.entry.path);
  }
  return paths;
}

std::string Refusal(const std::string& tar) {
  const auto entries = ReadAll(tar);
  if (entries.ok()) return "not refused";
  EXPECT_EQ(entries.error().code(), ErrorCode::kInvalidArgument);
  return entries.error().message();
}

// libarchive skipped as many bytes as the size says, and with them whole entries.
TEST(TarReaderTest, WhatASizeSaysOfAnEntryWithoutABodyDoesNotMoveTheNext) {
  for (const char type : {'1', '2', '3', '4', '5', '6'}) {
    for (const uint64_t size : {1U, 512U, 1000U, 100000U}) {
      const TarItem odd{.name = "odd", .type = type, .link = "h", .major = 1};
      TarItem in_pax = odd;
      in_pax.pax = {{"size", std::to_string(size)}};
      const std::string by_header =
          TarMaker().File("h", "1").AddHeaderOnly(odd, size).File("p", "2").Finish();
      const std::string by_pax = TarMaker().File("h", "1").Add(in_pax).File("p", "2").Finish();
      EXPECT_THAT(Paths(by_header), ElementsAre("h", "odd", "p")) << type << size;
      EXPECT_THAT(Paths(by_pax), ElementsAre("h", "odd", "p")) << type << size;
    }
  }
}

TEST(TarReaderTest, ASlashBehindAFileDoesNotMoveTheNext) {
  const auto entries =
      ReadAll(TarMaker().File("file/", std::string(700, 'x')).File("next", "n").Finish());
  ASSERT_TRUE(entries.ok()) << entries.error().message();
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_TRUE(S_ISREG((*entries)[0].entry.mode)) << "as Go has it";
  EXPECT_EQ((*entries)[0].data, std::string(700, 'x'));
  EXPECT_EQ((*entries)[1].data, "n");
  // Before POSIX that was how a directory was told; it has no body.
  const auto old = ReadAll(
      TarMaker().AddHeaderOnly({.name = "dir/", .type = '\0'}, 700).File("next", "n").Finish());
  ASSERT_TRUE(old.ok()) << old.error().message();
  EXPECT_TRUE(S_ISDIR((*old)[0].entry.mode));
  EXPECT_EQ((*old)[1].data, "n");
}

TEST(TarReaderTest, NumbersOfPaxHeadersHoldOrAreRefusedButNeverBecomeZero) {
  const auto with = [](const std::string& key, const std::string& value) {
    return TarMaker()
        .Add({.name = "f", .data = "data", .uid = 7, .gid = 8, .mtime = 9, .pax = {{key, value}}})
        .Finish();
  };
  for (const char* key : {"uid", "gid", "size", "mtime", "atime", "ctime"}) {
    const auto entries = ReadAll(with(key, ""));
    ASSERT_TRUE(entries.ok()) << key;
    const TarEntry& entry = entries->front().entry;
    EXPECT_EQ(entry.uid, 7U);
    EXPECT_EQ(entry.gid, 8U);
    EXPECT_EQ(entry.mtime, 9);
    EXPECT_EQ(entries->front().data, "data");
    EXPECT_THAT(Refusal(with(key, "7x")),
                HasSubstr("its pax header's '" + std::string(key) + "' is not a"));
  }
  EXPECT_THAT(Refusal(with("size", "-1")), HasSubstr("entry 1: its size is negative"));
}

TEST(TarReaderTest, GlobalHeadersSayNothingAboutFiles) {
  const TarItem global{
      .name = "g",
      .data = TarMaker::PaxRecord("path", "other") + TarMaker::PaxRecord("uid", "5"),
      .type = 'g'};
  const auto entries = ReadAll(TarMaker().Add(global).File("file", "x").Finish());
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries->front().entry.path, "file");
  EXPECT_EQ(entries->front().entry.uid, 0U);
  // Between an extended header and its entry Go would forget the first.
  const TarItem extended{.name = "x", .data = TarMaker::PaxRecord("path", "p"), .type = 'x'};
  EXPECT_THAT(Refusal(TarMaker().Add(extended).Add(global).File("file", "").Finish()),
              HasSubstr("a global pax header stands between it and the headers before it"));
}

TEST(TarReaderTest, AnExtendedHeaderThatNoEntryFollowsIsRefused) {
  const TarItem extended{.name = "x", .data = TarMaker::PaxRecord("path", "p"), .type = 'x'};
  const TarItem long_name{.name = "L", .data = "name", .type = 'L'};
  for (const TarItem& item : {extended, long_name}) {
    for (const bool ended : {true, false}) {
      const TarMaker tar = TarMaker().Add(item);
      EXPECT_EQ(Refusal(ended ? tar.Finish() : tar.Unfinished()),
                "entry 1: the tar ends behind its extended header");
    }
  }
}

// Go's archive/tar decides, as it is what containerd, Docker, Podman and umoci read layers with.
TEST(TarReaderTest, OfSeveralNamesGoesByTheOneThatGoTakes) {
  const auto pax = [](const std::string& path) {
    return TarItem{.name = "x", .data = TarMaker::PaxRecord("path", path), .type = 'x'};
  };
  const auto gnu = [](const std::string& name) {
    return TarItem{.name = "L", .data = name, .type = 'L'};
  };
  const auto path_of = [](const TarItem& first, const TarItem& second) {
    return Paths(TarMaker().Add(first).Add(second).File("cut", "").Finish()).front();
  };
  EXPECT_EQ(path_of(pax("a"), pax("b")), "b");
  EXPECT_EQ(path_of(gnu("a"), gnu("b")), "b");
  EXPECT_EQ(path_of(pax("a"), gnu("b")), "b");
  EXPECT_EQ(path_of(gnu("a"), pax("b")), "a");
  EXPECT_EQ(path_of(gnu(std::string("a\0rest", 6)), pax("b")), "a");
}

TEST(TarReaderTest, TypesThatALayerCannotHoldAreRefused) {
  for (const char type : {'A', 'D', 'M', 'N', 'V', 'X', '8', 'z'}) {
    EXPECT_EQ(
        Refusal(TarMaker().Add({.name = "n", .type = type}).Finish()),
        std::string("entry 1: 'n': its type '") + type + "' is not one that a layer can hold");
  }
  const auto contiguous = ReadAll(TarMaker().Add({.name = "n", .data = "x", .type = '7'}).Finish());
  ASSERT_TRUE(contiguous.ok());
  EXPECT_TRUE(S_ISREG(contiguous->front().entry.mode));
  EXPECT_EQ(contiguous->front().data, "x");
}

TEST(TarReaderTest, XattrsOfOverlayfsAreLeftOutAndCounted) {
  const auto entries = ReadAll(TarMaker()
                                   .Add({.name = "f",
                                         .pax = {{"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                                                 {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                                                 {"SCHILY.xattr.user.overlay.metacopy", ""},
                                                 {"SCHILY.xattr.com.apple.provenance", "x"},
                                                 {"SCHILY.xattr.trusted.overlays", "kept"},
                                                 {"SCHILY.xattr.user.empty", ""}}})
                                   .Finish());
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries->front().entry.xattrs,
            (XattrSet{{"trusted.overlays", "kept"}, {"user.empty", ""}}));
  EXPECT_EQ(entries->front().entry.ignored_xattrs, 4U);
}

std::string Sparse(const std::map<std::string, std::string>& pax, const std::string& data) {
  return TarMaker().Add({.name = "s", .data = data, .pax = pax}).File("next", "n").Finish();
}

TEST(SparseMapTest, SaysWhereTheDataGoesInEveryFormat) {
  const std::string want = std::string(5, '\0') + "abc" + std::string(2, '\0') + "de";
  const std::string list = "2\n5\n3\n10\n2\n";
  const std::string tars[] = {
      Sparse({{"GNU.sparse.map", "5,3,10,2"},
              {"GNU.sparse.numblocks", "2"},
              {"GNU.sparse.size", "20"}},
             "abcde"),
      Sparse({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "20"}},
             list + std::string(512 - list.size(), '\0') + "abcde"),
  };
  for (const std::string& tar : tars) {
    for (const size_t piece : {1U, 511U, 513U, 1U << 20}) {
      const auto entries = ReadAll(tar, piece);
      ASSERT_TRUE(entries.ok()) << entries.error().message();
      EXPECT_EQ(entries->front().entry.size, 20U);
      EXPECT_EQ(entries->front().data, want);
      EXPECT_EQ(entries->back().data, "n");
    }
  }
}

TEST(SparseMapTest, IsRefusedWhereItIsMalformed) {
  using Pax = std::map<std::string, std::string>;
  const Pax version1 = {
      {"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "20"}};
  const auto map = [](const std::string& numbers, const std::string& count = "1") {
    return Pax{
        {"GNU.sparse.map", numbers}, {"GNU.sparse.numblocks", count}, {"GNU.sparse.size", "20"}};
  };
  const auto block = [](const std::string& text) {
    return text + std::string(512 - text.size(), '\0');
  };
  const std::string malformed = "the map of its sparse data is malformed";
  struct Case {
    Pax pax;
    std::string data;
    std::string reason;
  };
  const Case cases[] = {
      {map("0,5,3,2", "2"), "abcdefg", malformed},
      {map("18,5"), "abcde", malformed},
      {map("-1,5"), "abcde", malformed},
      {map("0,5,"), "abcde", malformed},
      {map("0,5", "2"), "abcde", malformed},
      {map("0,9223372036854775807"), "abcde", malformed},
      {map("0,6"), "abcde", "its data is not as long as the map of it says"},
      {map("0,4"), "abcde", "its data is not as long as the map of it says"},
      {version1, block("x\n") + "abcde", malformed},
      {version1, block("1\n0\n") + "abcde", malformed},
      {version1, block("-1\n"), malformed},
      {version1, block("1\n0\n123456789012345678901\n"), malformed},
      {version1, "1\n0\n5\n", malformed},
      {{{"GNU.sparse.major", "2"}, {"GNU.sparse.minor", "0"}},
       "x",
       "its format of sparse files is unknown"},
  };
  for (const Case& one : cases) {
    EXPECT_THAT(Refusal(Sparse(one.pax, one.data)), HasSubstr(one.reason)) << one.data;
  }
}

TEST(TarReaderTest, TheLastFileNeedsNoPadding) {
  const std::string tar = TarMaker().File("a", "abc").Unfinished();
  const auto entries = ReadAll(std::string_view(tar).substr(0, 515));
  ASSERT_TRUE(entries.ok()) << entries.error().message();
  EXPECT_EQ(entries->front().data, "abc");
}

TEST(TarReaderTest, ErrorsOfTheSourceComeUnchangedWhereverItFails) {
  const std::string tar =
      TarMaker().Add({.name = "a", .data = std::string(900, 'x'), .pax = {{"uid", "5"}}}).Finish();
  for (size_t good = 0; good < tar.size(); good += 100) {
    size_t at = 0;
    TarReader reader([&]() -> Result<std::span<const std::byte>> {
      if (at >= good) return Error(ErrorCode::kUnavailable, "the line is dead");
      const auto piece = AsBytes(std::string_view(tar).substr(at, 100));
      at += piece.size();
      return piece;
    });
    auto entry = reader.Next();
    if (entry.ok()) {
      const auto read = reader.ReadData([](uint64_t, std::span<const std::byte>) { return Ok(); });
      if (!read.ok()) entry = read.error();
    }
    if (entry.ok()) entry = reader.Next();
    if (entry.ok()) {
      const auto drained = reader.Drain();
      ASSERT_FALSE(drained.ok()) << good;
      entry = drained.error();
    }
    EXPECT_EQ(entry.error().code(), ErrorCode::kUnavailable) << good;
    EXPECT_EQ(entry.error().message(), "the line is dead") << good;
  }
}

}  // namespace
}  // namespace locket::erofs
