#include "image/tar_accounts.h"

#include <gmock/gmock.h>

#include <cstdio>

namespace locket::image {
namespace {

using ::testing::HasSubstr;

// One entry, as tar(5) has it.
std::string Entry(const std::string& name, const std::string& content, char type = '0',
                  const std::string& prefix = "") {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  header.replace(124, 11, size);
  header[156] = type;
  header.replace(257, 8, std::string("ustar\0", 6) + "00");
  header.replace(345, prefix.size(), prefix);
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char checksum[9];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  header.replace(148, 7, std::string(checksum, 7));
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512, '\0');
  return header + padded;
}

std::string End() { return std::string(1024, '\0'); }

// Fed in pieces of `step` bytes.
LayerAccounts Watch(const std::string& tar, size_t step = 1 << 20) {
  TarAccountsWatcher watcher;
  const auto bytes = std::as_bytes(std::span(tar));
  for (size_t at = 0; at < bytes.size(); at += step) {
    watcher.Feed(bytes.subspan(at, std::min(step, bytes.size() - at)));
  }
  return watcher.found();
}

const std::string kPasswd = "root:x:0:0::/root:/bin/sh\ndemo:x:1000:1001::/app:/bin/sh\n";
const std::string kGroup = "root:x:0:\nstaff:x:50:demo\ndemo:x:1001:\n";

std::string Resolve(const std::vector<std::string>& tars, const std::string& user) {
  ImageAccounts accounts;
  for (const auto& tar : tars) accounts.AddLayer(Watch(tar + End()));
  const auto numbers = accounts.Resolve(user);
  return numbers.ok() ? *numbers : numbers.error().message();
}

TEST(TarAccountsTest, FindsBothFilesHoweverThePiecesFall) {
  const std::string tar = Entry("./", "", '5') + Entry("bin/sh", std::string(700, 'x')) +
                          Entry("./etc/passwd", kPasswd) + Entry("etc/group", kGroup) +
                          Entry("last", "y") + End();
  for (const size_t step : {1U, 7U, 511U, 512U, 513U, 1U << 20}) {
    const auto found = Watch(tar, step);
    EXPECT_EQ(found.passwd.content, kPasswd) << step;
    EXPECT_EQ(found.group.content, kGroup) << step;
  }
}

TEST(TarAccountsTest, ReadsNamesFromPrefixPaxAndGnuHeaders) {
  EXPECT_EQ(Watch(Entry("passwd", kPasswd, '0', "etc")).passwd.content, kPasswd);
  EXPECT_EQ(
      Watch(Entry("PaxHeader", "19 path=etc/passwd\n", 'x') + Entry("cut", kPasswd)).passwd.content,
      kPasswd);
  EXPECT_EQ(
      Watch(Entry("././@LongLink", std::string("etc/passwd\0", 11), 'L') + Entry("cut", kPasswd))
          .passwd.content,
      kPasswd);
  // Such a name holds for one entry only.
  const auto found = Watch(Entry("PaxHeader", "18 path=etc/other\n", 'x') +
                           Entry("etc/passwd", "no") + Entry("etc/passwd", kPasswd));
  EXPECT_EQ(found.passwd.content, kPasswd);
}

TEST(TarAccountsTest, TakesTheSizeOfAPaxHeader) {
  std::string entry = Entry("big", std::string(600, 'x'));
  entry.replace(124, 11, "00000000000");
  std::string header = entry.substr(0, 512);
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char checksum[9];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  entry.replace(148, 7, std::string(checksum, 7));
  const auto found =
      Watch(Entry("PaxHeader", "12 size=600\n", 'x') + entry + Entry("etc/passwd", kPasswd));
  EXPECT_EQ(found.passwd.content, kPasswd);
}

TEST(TarAccountsTest, TrustsNothingOfATarItCannotFollow) {
  std::string tar = Entry("etc/passwd", kPasswd) + Entry("etc/group", kGroup);
  tar[1024] ^= 1;  // the second header's name, so its checksum is wrong
  const LayerFile unknown{.hides_lower = true,
                          .trouble = "a layer's tar has a header that cannot be read"};
  EXPECT_EQ(Watch(tar), (LayerAccounts{.passwd = unknown, .group = unknown}));
  const std::string long_header =
      Entry("PaxHeader", std::string((1U << 20) + 1, 'x'), 'x') + Entry("cut", kPasswd);
  EXPECT_EQ(Watch(long_header), (LayerAccounts{.passwd = unknown, .group = unknown}));
  // Else what a lower layer has would stand for it.
  EXPECT_THAT(Resolve({Entry("etc/passwd", kPasswd), tar}, "demo"),
              HasSubstr("a layer's tar has a header that cannot be read"));
}

TEST(TarAccountsTest, FindsWhatTheEntryMeansNotOnlyHowItIsWritten) {
  EXPECT_EQ(Watch(Entry("usr/../etc/./passwd", kPasswd)).passwd.content, kPasswd);
  EXPECT_EQ(Watch(Entry("a/b/../../etc/passwd", kPasswd)).passwd.content, kPasswd);
  EXPECT_EQ(Watch(Entry("../etc/passwd", kPasswd)).passwd.content, kPasswd);
}

TEST(TarAccountsTest, OfSeveralNamesOfOneEntryTakesTheOneThatTheLayerGetsItBy) {
  const std::string pax = Entry("PaxHeader", "19 path=etc/passwd\n", 'x');
  const std::string gnu = Entry("././@LongLink", std::string("other\0", 6), 'L');
  EXPECT_EQ(Watch(pax + gnu + Entry("cut", kPasswd)).passwd.content, kPasswd);
  EXPECT_EQ(Watch(gnu + pax + Entry("cut", kPasswd)).passwd, LayerFile());
  EXPECT_EQ(
      Watch(Entry("PaxHeader", "14 path=other\n19 path=etc/passwd\n", 'x') + Entry("cut", kPasswd))
          .passwd.content,
      kPasswd);
}

TEST(TarAccountsTest, LooksNoFurtherThanTheTarsEnd) {
  const std::string other = Entry("etc/passwd", "demo:x:5:6::/:/\n");
  EXPECT_EQ(Watch(Entry("etc/passwd", kPasswd) + End() + other).passwd.content, kPasswd);
  EXPECT_EQ(Watch(Entry("etc/passwd", kPasswd) + End() + "no header").passwd.content, kPasswd);
}

// Old GNU tar puts blocks between header and body; pax another name and, in the body, a list.
TEST(TarAccountsTest, GoesOnBehindSparseFiles) {
  std::string sparse = Entry("sparse", std::string(1024, 'x'), 'S');
  sparse[482] = 1;
  std::string map(1024, '\0');
  map[504] = 1;
  sparse.insert(512, map);
  unsigned sum = 8 * ' ';
  for (size_t i = 0; i < 512; ++i) {
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(sparse[i]);
  }
  char checksum[9];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  sparse.replace(148, 7, std::string(checksum, 7));
  for (const size_t step : {1U, 511U, 1U << 20}) {
    EXPECT_EQ(Watch(sparse + Entry("etc/passwd", kPasswd), step).passwd.content, kPasswd) << step;
  }
  const auto pax = Watch(Entry("PaxHeader", "30 GNU.sparse.name=etc/passwd\n", 'x') +
                         Entry("GNUSparseFile.1/passwd", "0\n"));
  EXPECT_EQ(pax.passwd,
            (LayerFile{.hides_lower = true,
                       .trouble = "its /etc/passwd is not a regular file, or a sparse one"}));
}

// As where /etc leads somewhere else altogether.
TEST(TarAccountsTest, TrustsNothingInAnEtcThatIsNoDirectory) {
  const LayerFile unknown{.hides_lower = true, .trouble = "its /etc is not a directory"};
  const std::string link = Entry("etc", "", '2');
  EXPECT_EQ(Watch(Entry("etc/passwd", kPasswd) + link).passwd, unknown);
  EXPECT_EQ(Watch(link + Entry("etc/passwd", kPasswd)).passwd, unknown);
}

TEST(TarAccountsTest, TakesADirectoryOfOldTarsForOneAndWhatHasFilesInIt) {
  for (const char* name : {"etc/passwd/", "etc/passwd/file"}) {
    EXPECT_THAT(Watch(Entry(name, "")).passwd.trouble,
                HasSubstr("its /etc/passwd is not a regular file"))
        << name;
  }
}

TEST(ImageAccountsTest, ResolvesNamesAndNumbers) {
  const std::vector<std::string> image = {Entry("etc/passwd", kPasswd) +
                                          Entry("etc/group", kGroup)};
  EXPECT_EQ(Resolve(image, ""), "0:0");
  EXPECT_EQ(Resolve(image, "demo"), "1000:1001");
  EXPECT_EQ(Resolve(image, "1000"), "1000:1001");
  EXPECT_EQ(Resolve(image, "4711"), "4711:0");
  EXPECT_EQ(Resolve(image, "demo:staff"), "1000:50");
  EXPECT_EQ(Resolve(image, "7:8"), "7:8");
}

TEST(ImageAccountsTest, TopmostFileWins) {
  EXPECT_EQ(Resolve({Entry("etc/passwd", kPasswd), Entry("etc/passwd", "demo:x:5:6::/:/\n"),
                     Entry("other", "x")},
                    "demo"),
            "5:6");
}

TEST(ImageAccountsTest, WhiteoutsHideLowerLayersOnly) {
  for (const char* whiteout : {".wh.etc", "etc/.wh.passwd", "etc/.wh..wh..opq", "./.wh..wh..opq"}) {
    EXPECT_THAT(Resolve({Entry("etc/passwd", kPasswd), Entry(whiteout, "")}, "demo"),
                HasSubstr("numeric USER"))
        << whiteout;
    EXPECT_EQ(Resolve({Entry("etc/passwd", "demo:x:1:1::/:/\n"),
                       Entry("etc/passwd", kPasswd) + Entry(whiteout, "")},
                      "demo"),
              "1000:1001")
        << whiteout;
  }
  // /etc replaced by a file
  EXPECT_THAT(Resolve({Entry("etc/passwd", kPasswd), Entry("etc", "", '2')}, "demo"),
              HasSubstr("numeric USER"));
}

TEST(ImageAccountsTest, SaysWhyANameCannotBeResolved) {
  EXPECT_THAT(Resolve({Entry("a", "b")}, "demo"), HasSubstr("give the image a numeric USER"));
  EXPECT_THAT(Resolve({Entry("etc/passwd", "", '2')}, "demo"), HasSubstr("is not a regular file"));
  EXPECT_THAT(Resolve({Entry("etc/passwd", std::string((4U << 20) + 1, 'x'))}, "demo"),
              HasSubstr("is too large"));
  EXPECT_EQ(Resolve({Entry("etc/passwd", "", '2')}, "12:13"), "12:13");
}

TEST(ImageAccountsTest, GuessesNoGroupWhereTheFileCannotBeRead) {
  const std::vector<std::string> image = {Entry("etc/passwd", "", '2')};
  for (const char* user : {"12", "12:"}) {
    EXPECT_THAT(Resolve(image, user),
                HasSubstr("its group is not known: its /etc/passwd is not a regular file, or a "
                          "sparse one; give the image a USER of two numbers"));
  }
  EXPECT_EQ(Resolve(image, ""), "0:0");
  EXPECT_EQ(Resolve(image, "0"), "0:0");
  EXPECT_EQ(Resolve({Entry("a", "b")}, "12"), "12:0") << "no file, no doubt";
}

}  // namespace
}  // namespace locket::image
