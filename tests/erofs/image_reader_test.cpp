#include "erofs/image_reader.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/encoding.h"
#include "tests/erofs/image_in_memory.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string RichTar() {
  TarMaker tar;
  tar.Add({.name = "dir/", .type = '5', .mode = 01777, .uid = 70000, .gid = 7, .mtime = 5});
  tar.Add({.name = "dir/file",
           .data = std::string(3'000'001, 'x'),
           .mode = 04750,
           .uid = 3,
           .gid = 4,
           .pax = {{"mtime", "1700000000.123456789"}, {"SCHILY.xattr.user.color", "red"}}});
  tar.File("dir/aligned", std::string(8192, 'y')).File("dir/empty", "").File("dir/small", "tiny");
  tar.HardLink("dir/again", "dir/file").Symlink("link", "dir/file");
  tar.Add({.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3});
  tar.Add({.name = "pipe", .type = '6', .mode = 0600});
  tar.File("dir/.wh.gone", "").Dir("hidden").File("hidden/.wh..wh..opq", "");
  return tar.Finish();
}

TEST(ImageReaderTest, ReadsBackWhatTheTarSaid) {
  const Bytes bytes(RichTar());
  const auto image = bytes.Open();
  ASSERT_TRUE(image.ok()) << image.error().message();
  const auto dir = Find(*image, {"dir"});
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(dir->mode, S_IFDIR | 01777);
  EXPECT_EQ(dir->uid, 70000U);
  EXPECT_EQ(dir->mtime, 5);
  const auto file = Find(*image, {"dir", "file"});
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->mode, S_IFREG | 04750);
  EXPECT_EQ(file->uid, 3U);
  EXPECT_EQ(file->gid, 4U);
  EXPECT_EQ(file->mtime, 1700000000);
  EXPECT_EQ(file->mtime_nsec, 123456789U);
  EXPECT_EQ(file->links, 2U);
  EXPECT_EQ(Content(*image, *file), std::string(3'000'001, 'x'));
  EXPECT_EQ(*image->Xattrs(*file), (XattrSet{{"user.color", "red"}}));
  EXPECT_EQ(Find(*image, {"dir", "again"})->nid, file->nid);
  EXPECT_EQ(*image->Target(*Find(*image, {"link"})), "dir/file");
  EXPECT_EQ(Content(*image, *Find(*image, {"dir", "aligned"})), std::string(8192, 'y'));
  EXPECT_EQ(Content(*image, *Find(*image, {"dir", "empty"})), "");
  EXPECT_EQ(Content(*image, *Find(*image, {"dir", "small"})), "tiny");
  const auto null = Find(*image, {"null"});
  EXPECT_EQ(null->mode, S_IFCHR | 0666);
  EXPECT_EQ(null->rdev, (1U << 8 | 3U));
  EXPECT_FALSE(IsWhiteout(*null));
  EXPECT_EQ(Find(*image, {"pipe"})->mode, S_IFIFO | 0600);
  EXPECT_TRUE(IsWhiteout(*Find(*image, {"dir", "gone"})));
  EXPECT_TRUE(IsOpaque(*image->Xattrs(*Find(*image, {"hidden"}))));
  EXPECT_FALSE(IsOpaque(*image->Xattrs(*dir)));
}

TEST(ImageReaderTest, ListsLargeDirectoriesInOrder) {
  TarMaker tar;
  for (int i = 0; i < 5000; ++i) tar.File("d/" + std::string(60, 'n') + std::to_string(i), "");
  const Bytes bytes(tar.Finish());
  const auto image = bytes.Open();
  ASSERT_TRUE(image.ok());
  const auto names = image->List(*Find(*image, {"d"}));
  ASSERT_TRUE(names.ok()) << names.error().message();
  EXPECT_EQ(names->size(), 5000U);
  EXPECT_TRUE(std::ranges::is_sorted(*names, {}, &NamedNode::name));
}

TEST(ImageReaderTest, EmptyLayerHasAnEmptyRoot) {
  const Bytes bytes(TarMaker().Finish());
  const auto image = bytes.Open();
  ASSERT_TRUE(image.ok());
  EXPECT_THAT(*image->List(*image->Stat(image->root())), ElementsAre());
}

TEST(ImageReaderTest, ErrorsOfTheCallerArePassedOn) {
  const Bytes bytes(RichTar());
  const auto image = bytes.Open();
  const auto read = image->Read(*Find(*image, {"dir", "file"}), [](std::span<const std::byte>) {
    return Status(Error(ErrorCode::kCancelled, "enough"));
  });
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().message(), "enough");
}

TEST(ImageReaderTest, SaysWhatIsWrongWithADamagedImage) {
  struct Damage {
    const char* reason;
    size_t at;
    std::string bytes;
  };
  const size_t super = 1024;
  const std::vector<Damage> cases = {
      {"no superblock", super, "x"},
      {"blocks are not 4096 bytes", super + 12, "\x0d"},
      {"features this reader lacks", super + 80, "\x02"},
      {"it is cut short", super + 36, "\xff\xff"},
      {"lies beyond its end", super + 40, "\xff\xff\xff\x0f"},
      {"has format", super + 14, std::string("\x01\x00", 2)},
  };
  for (const auto& damage : cases) {
    Bytes bytes(RichTar());
    bytes.Put(damage.at, damage.bytes);
    const auto image = bytes.Open();
    ASSERT_FALSE(image.ok()) << damage.reason;
    EXPECT_EQ(image.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(image.error().message(), HasSubstr(damage.reason));
  }
}

// Where a directory's only block lies: behind its inode.
size_t AddressOfInlineData(const Bytes& bytes, const Inode& inode) {
  const auto* super = bytes.image.data() + 1024;
  uint32_t metadata = 0;
  std::memcpy(&metadata, super + 40, sizeof metadata);
  return metadata * kBlockSize + inode.nid * 32 + 64 + inode.xattr_bytes;
}

TEST(ImageReaderTest, RefusesHostileDirectories) {
  const std::string tar = TarMaker().File("dir/abc", "1").File("dir/abd", "2").Finish();
  const Bytes good(tar);
  const size_t at = AddressOfInlineData(good, *Find(*good.Open(), {"dir"}));
  const size_t names = at + 4 * 12;  // ".", "..", "abc", "abd"
  ASSERT_EQ(good.image.substr(names, 9), "...abcabd");
  struct Damage {
    const char* reason;
    size_t at;
    std::string bytes;
  };
  const std::vector<Damage> cases = {
      {"do not ascend", names + 6, "abc"},
      {"do not ascend", names + 6, "aba"},
      {"has the name 'a/c'", names + 4, "/"},
      {"impossible place", at + 8, std::string(1, '\0')},
      {"impossible place", at + 8, "\x31"},
      {"names overlap", at + 12 + 8, "\xf0"},
      {"has the name ''", at + 12 + 8, std::string("\x30", 1)},
  };
  for (const auto& damage : cases) {
    Bytes bytes(tar);
    bytes.Put(damage.at, damage.bytes);
    const auto image = bytes.Open();
    ASSERT_TRUE(image.ok());
    const auto names_read = image->List(*Find(*image, {"dir"}));
    ASSERT_FALSE(names_read.ok()) << damage.reason;
    EXPECT_THAT(names_read.error().message(), HasSubstr(damage.reason));
  }
}

// As sealing never writes them, an image that has them was made to steer the mount.
TEST(ImageReaderTest, RefusesXattrsThatWouldSteerOverlayfs) {
  const auto with = [](const std::string& name, const std::string& value, char type) {
    return TarMaker()
        .Add({.name = "it", .type = type, .pax = {{"SCHILY.xattr." + name, value}}})
        .Finish();
  };
  struct Case {
    const char* name;  // as long as the one it replaces
    const char* old_name;
    const char* value;
    char type;
    bool is_good;
  };
  const Case cases[] = {
      {"overlay.redirect", "0verlay.redirect", "/etc", '5', false},
      {"overlay.metacopy", "0verlay.metacopy", "y", '0', false},
      {"overlay.whiteout", "0verlay.whiteout", "y", '0', false},
      {"overlay.opaque", "0verlay.opaque", "x", '5', false},
      {"overlay.opaque", "0verlay.opaque", "y", '0', false},
      {"overlay.opaque", "0verlay.opaque", "y", '5', true},
  };
  for (const std::string prefix : {"trusted.", "user."}) {
    for (const Case& one : cases) {
      Bytes bytes(with(prefix + one.old_name, one.value, one.type));
      const size_t at = bytes.image.find(one.old_name);
      ASSERT_NE(at, std::string::npos);
      bytes.Put(at, one.name);
      const auto image = bytes.Open();
      ASSERT_TRUE(image.ok());
      const auto xattrs = image->Xattrs(*Find(*image, {"it"}));
      ASSERT_EQ(xattrs.ok(), one.is_good && prefix == "trusted.") << prefix << one.name;
      if (xattrs.ok()) continue;
      EXPECT_EQ(xattrs.error().code(), ErrorCode::kDataLoss);
      EXPECT_EQ(xattrs.error().message(),
                "EROFS image: xattr '" + prefix + one.name + "' would steer overlayfs");
    }
  }
}

TEST(ImageReaderTest, NothingIsReadBeyondATruncatedImage) {
  Bytes bytes(RichTar());
  const size_t whole = bytes.image.size();
  for (size_t size = 0; size < whole; size += 4096) {
    bytes.image.resize(size);
    const auto image = bytes.Open();  // Open's reader checks each place
    ASSERT_FALSE(image.ok()) << size;
    bytes.image.resize(whole);
  }
}

// 300,000 bytes that compress in part: packed and stored pieces, and an end inside a block.
std::string Compressible() {
  std::string content;
  for (uint32_t i = 0; content.size() < 300'000; ++i) {
    content += i % 7 == 0 ? std::string(HexEncode(AsBytes(std::to_string(i * 2654435761U))))
                          : std::to_string(i % 90);
  }
  content.resize(300'000);
  return content;
}

TEST(CompressedImageTest, IsReadBack) {
  const std::string content = Compressible();
  const Bytes bytes(TarMaker()
                        .File("file", content)
                        .File("one-more", content.substr(0, 8192))
                        .File("zeros", std::string(1U << 20, '\0'))
                        .Finish(),
                    Compression::kLz4);
  const auto image = bytes.Open();
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_TRUE(Content(*image, *Find(*image, {"file"})) == content);
  EXPECT_TRUE(Content(*image, *Find(*image, {"one-more"})) == content.substr(0, 8192));
  EXPECT_TRUE(Content(*image, *Find(*image, {"zeros"})) == std::string(1U << 20, '\0'));
  EXPECT_EQ(Find(*image, {"file"})->size, content.size());
}

// Entry 0 of the index is the file's first piece, entry 1 goes on with it.
TEST(CompressedImageTest, IsRefusedWhereItsIndexIsImpossible) {
  Bytes bytes(TarMaker().File("file", std::string(300'000, 'x')).Finish(), Compression::kLz4);
  const auto image = bytes.Open();
  ASSERT_TRUE(image.ok());
  const Inode file = *Find(*image, {"file"});
  const std::string head = std::string("\x01\0\0\0\x01\0\0\0", 8);
  const size_t index = bytes.image.rfind(head);
  ASSERT_NE(index, std::string::npos);
  const std::pair<std::string, const char*> table[] = {
      {std::string("\x03\0\0\0\x01\0\0\0", 8), "an entry of no known type"},
      {std::string("\x02\0\0\0\x01\0\0\0", 8), "an entry of no known type"},
      {std::string("\x01\0\x05\0\x01\0\0\0", 8), "a piece begins in an impossible place"},
      {std::string("\x01\0\0\x10\x01\0\0\0", 8), "a piece begins in an impossible place"},
      {std::string("\0\0\0\0\x01\0\0\0", 8), "a piece of an impossible size"},
      {std::string("\x01\0\0\0\x02\0\0\x10", 8), "something lies beyond its end"},
      {std::string("\x01\0\0\0\0\0\0\0", 8), "a piece cannot be unpacked"}};
  for (const auto& [entry, reason] : table) {
    bytes.Put(index, entry);
    const auto read = image->Read(file, [](auto) { return Ok(); });
    ASSERT_FALSE(read.ok()) << reason;
    EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(read.error().message(), HasSubstr(reason));
  }
  bytes.Put(index, head);
  EXPECT_TRUE(image->Read(file, [](auto) { return Ok(); }).ok());
}

}  // namespace
}  // namespace locket::erofs
