// What sealing resolves a named USER from: the accounts in the file system that was written.
#include "image/oci/accounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "image/seal/seal_layer.h"
#include "tests/erofs/tar_maker.h"

namespace locket::image {
namespace {

using ::testing::HasSubstr;

// The accounts of the layer that sealing makes of `tar`.
LayerAccounts Sealed(std::string tar, const SealLayerOptions& options = {}) {
  const auto temp = TempDir::Create("/tmp", "accounts-test-");
  const auto source = [&tar](std::span<std::byte> out) -> Result<size_t> {
    const size_t size = std::min(out.size(), tar.size());
    std::memcpy(out.data(), tar.data(), size);
    tar.erase(0, size);
    return size;
  };
  const auto layer = SealLayer(options, source, temp->path() / "blob");
  EXPECT_TRUE(layer.ok()) << layer.error().message();
  return layer.ok() ? layer->accounts : LayerAccounts{};
}

LayerAccounts Sealed(const TarMaker& tar) { return Sealed(tar.Finish()); }

const std::string kPasswd = "root:x:0:0::/root:/bin/sh\ndemo:x:1000:1001::/app:/bin/sh\n";
const std::string kGroup = "root:x:0:\nstaff:x:50:demo\ndemo:x:1001:\n";

std::string Resolve(const std::vector<TarMaker>& tars, const std::string& user) {
  ImageAccounts accounts;
  for (const auto& tar : tars) accounts.AddLayer(Sealed(tar));
  const auto numbers = accounts.Resolve(user);
  return numbers.ok() ? *numbers : numbers.error().message();
}

TarMaker Passwd(const std::string& text) { return TarMaker().File("etc/passwd", text); }

TEST(LayerAccountsTest, AreThoseOfTheFileSystemThatWasWrittenEncryptedOrNot) {
  const std::string tar = TarMaker()
                              .Dir("./")
                              .File("bin/sh", std::string(700, 'x'))
                              .File("./etc/passwd", kPasswd)
                              .File("etc/group", kGroup)
                              .Finish();
  for (const bool encrypt : {false, true}) {
    for (const bool compress : {false, true}) {
      const auto found = Sealed(tar, {.encrypt = encrypt, .compress = compress});
      EXPECT_EQ(found.passwd.content, kPasswd);
      EXPECT_EQ(found.group.content, kGroup);
    }
  }
}

// Each was read from another place than it was written to, when two parsers read the tar.
TEST(LayerAccountsTest, FollowWhateverDecidesWhereAnEntryGoes) {
  EXPECT_EQ(Sealed(TarMaker().File("a/b/../../etc/./passwd", kPasswd)).passwd.content, kPasswd);
  EXPECT_EQ(Sealed(TarMaker().Dir("etc").Symlink("alias", "etc").File("alias/passwd", kPasswd))
                .passwd.content,
            kPasswd);
  EXPECT_EQ(Sealed(TarMaker()
                       .File("etc/passwd", "gone")
                       .File("kept", kPasswd)
                       .HardLink("etc/passwd", "kept"))
                .passwd.content,
            kPasswd);
  EXPECT_EQ(Sealed(TarMaker().Add({.name = "x", .data = kPasswd, .pax = {{"path", "etc/passwd"}}}))
                .passwd.content,
            kPasswd);
  const TarItem sparse{.name = "GNUSparseFile.0/passwd",
                       .data = kPasswd,
                       .pax = {{"GNU.sparse.name", "etc/passwd"},
                               {"GNU.sparse.map", "0," + std::to_string(kPasswd.size())},
                               {"GNU.sparse.numblocks", "1"},
                               {"GNU.sparse.size", std::to_string(kPasswd.size())}}};
  EXPECT_EQ(Sealed(TarMaker().Add(sparse)).passwd.content, kPasswd);
}

TEST(LayerAccountsTest, AreNotGuessedWhereTheyCannotBeRead) {
  const LayerFile no_directory{.hides_lower = true, .trouble = "its /etc is not a directory"};
  EXPECT_EQ(Sealed(TarMaker().Symlink("etc", "elsewhere")).passwd, no_directory);
  EXPECT_EQ(Sealed(TarMaker().File("etc/passwd", kPasswd).Symlink("etc", "elsewhere")).group,
            no_directory);
  const LayerFile no_file{.hides_lower = true, .trouble = "its /etc/passwd is not a regular file"};
  EXPECT_EQ(Sealed(TarMaker().Symlink("etc/passwd", "x")).passwd, no_file);
  EXPECT_EQ(Sealed(TarMaker().Dir("etc/passwd/")).passwd, no_file);
  EXPECT_EQ(Sealed(TarMaker().File("etc/passwd/file", "")).passwd, no_file);
  EXPECT_EQ(Sealed(Passwd(std::string((4U << 20) + 1, 'x'))).passwd.trouble,
            "its /etc/passwd is too large");
  EXPECT_EQ(Sealed(Passwd(std::string(4U << 20, 'x'))).passwd.trouble, "");
}

TEST(ImageAccountsTest, ResolvesNamesAndNumbers) {
  const std::vector<TarMaker> image = {Passwd(kPasswd).File("etc/group", kGroup)};
  EXPECT_EQ(Resolve(image, ""), "0:0");
  EXPECT_EQ(Resolve(image, "demo"), "1000:1001");
  EXPECT_EQ(Resolve(image, "1000"), "1000:1001");
  EXPECT_EQ(Resolve(image, "4711"), "4711:0");
  EXPECT_EQ(Resolve(image, "demo:staff"), "1000:50");
  EXPECT_EQ(Resolve(image, "7:8"), "7:8");
}

TEST(ImageAccountsTest, TopmostFileWins) {
  EXPECT_EQ(Resolve({Passwd(kPasswd), Passwd("demo:x:5:6::/:/\n"), TarMaker().File("other", "x")},
                    "demo"),
            "5:6");
}

TEST(ImageAccountsTest, WhiteoutsHideLowerLayersOnly) {
  for (const char* whiteout : {".wh.etc", "etc/.wh.passwd", "etc/.wh..wh..opq", "./.wh..wh..opq"}) {
    EXPECT_THAT(Resolve({Passwd(kPasswd), TarMaker().File(whiteout, "")}, "demo"),
                HasSubstr("numeric USER"))
        << whiteout;
    EXPECT_EQ(Resolve({Passwd("demo:x:1:1::/:/\n"), Passwd(kPasswd).File(whiteout, "")}, "demo"),
              "1000:1001")
        << whiteout;
  }
  EXPECT_THAT(Resolve({Passwd(kPasswd), TarMaker().Symlink("etc", "x")}, "demo"),
              HasSubstr("numeric USER"))
      << "/etc replaced by something else";
}

TEST(ImageAccountsTest, SaysWhyANameCannotBeResolved) {
  EXPECT_THAT(Resolve({TarMaker().File("a", "b")}, "demo"),
              HasSubstr("give the image a numeric USER"));
  EXPECT_THAT(Resolve({TarMaker().Symlink("etc/passwd", "x")}, "demo"),
              HasSubstr("is not a regular file"));
  EXPECT_THAT(Resolve({Passwd(std::string((4U << 20) + 1, 'x'))}, "demo"),
              HasSubstr("is too large"));
  EXPECT_EQ(Resolve({TarMaker().Symlink("etc/passwd", "x")}, "12:13"), "12:13");
}

TEST(ImageAccountsTest, GuessesNoGroupWhereTheFileCannotBeRead) {
  const std::vector<TarMaker> image = {TarMaker().Symlink("etc/passwd", "x")};
  for (const char* user : {"12", "12:"}) {
    EXPECT_THAT(Resolve(image, user),
                HasSubstr("its group is not known: its /etc/passwd is not a regular file; give the "
                          "image a USER of two numbers"));
  }
  EXPECT_EQ(Resolve(image, ""), "0:0");
  EXPECT_EQ(Resolve(image, "0"), "0:0");
  EXPECT_EQ(Resolve({TarMaker().File("a", "b")}, "12"), "12:0") << "no file, no doubt";
}

}  // namespace
}  // namespace locket::image
