// Layers over others: what they take from below, and what they may not show of themselves.
#include "erofs/merge_directories.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/erofs/image_in_memory.h"
#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

using ::testing::HasSubstr;

TarItem Directory(const std::string& name, uint32_t mode, uint32_t uid) {
  return {.name = name,
          .type = '5',
          .mode = mode,
          .uid = uid,
          .gid = uid + 1,
          .mtime = 5,
          .pax = {{"SCHILY.xattr.user.of", name}}};
}

// The directories of these layers, each sealed over those before it.
struct Layers {
  LowerDirectories lower;
  Result<ImageReader> top = Error(ErrorCode::kNotFound, "no layer");
  std::unique_ptr<Bytes> bytes{};

  explicit Layers(const std::vector<TarMaker>& tars) {
    for (const TarMaker& tar : tars) {
      bytes = std::make_unique<Bytes>(tar.Finish(), Compression::kNone, &lower);
      top = bytes->Open();
      EXPECT_TRUE(top.ok());
      const auto merged = MergeDirectories(*top, lower);
      EXPECT_TRUE(merged.ok()) << merged.error().message();
    }
  }

  // Of the top layer: "0755 0:1" and the xattr, or that there is no such file.
  std::string Of(const std::vector<std::string>& path) const {
    const auto found = Find(*top, path);
    if (!found.ok()) return "none";
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%04o %u:%u", found->mode & 07777U, found->uid,
                  found->gid);
    const auto xattrs = top->Xattrs(*found);
    return text.data() + (xattrs->contains("user.of") ? " of " + xattrs->at("user.of") : "");
  }
  std::string Names(const std::vector<std::string>& path) const {
    std::string names;
    const auto children = top->List(*Find(*top, path));
    for (const auto& child : *children) names += child.name + " ";
    return names;
  }
};

TEST(LowerDirectoriesTest, DirectoriesThatATarDoesNotNameAreAsBelow) {
  const Layers layers({TarMaker().Add(Directory("./", 0555, 9)).Add(Directory("tmp/", 01777, 0)),
                       TarMaker().Add(Directory("srv/", 0750, 3)),
                       TarMaker()
                           .File("tmp/x", "")
                           .File("srv/.wh.y", "")
                           .File("new/x", "")
                           .Dir("named/")
                           .File("named/x", "")});
  EXPECT_EQ(layers.Of({}), "0555 9:10 of ./");
  EXPECT_EQ(layers.Of({"tmp"}), "1777 0:1 of tmp/");
  EXPECT_EQ(layers.Of({"srv"}), "0750 3:4 of srv/");
  EXPECT_EQ(layers.Of({"new"}), "0755 0:0");
  EXPECT_EQ(layers.Of({"named"}), "0755 0:0");
  EXPECT_EQ(Find(*layers.top, {"tmp"})->mtime, 5);
}

TEST(LowerDirectoriesTest, WhatIsHiddenOrReplacedBelowSaysNothing) {
  const TarMaker base = TarMaker().Add(Directory("d/", 0700, 7)).Add(Directory("d/sub/", 0700, 8));
  const auto over = [&](const TarMaker& middle) {
    const Layers layers({base, middle, TarMaker().File("d/sub/x", "")});
    return layers.Of({"d"}) + ", " + layers.Of({"d", "sub"});
  };
  EXPECT_EQ(over(TarMaker().File("other", "")), "0700 7:8 of d/, 0700 8:9 of d/sub/");
  EXPECT_EQ(over(TarMaker().File("d/.wh.sub", "")), "0700 7:8 of d/, 0755 0:0");
  EXPECT_EQ(over(TarMaker().File("d/.wh..wh..opq", "")), "0700 7:8 of d/, 0755 0:0");
  EXPECT_EQ(over(TarMaker().File(".wh..wh..opq", "")), "0755 0:0, 0755 0:0");
  EXPECT_EQ(over(TarMaker().File(".wh.d", "")), "0755 0:0, 0755 0:0");
  EXPECT_EQ(over(TarMaker().File("d", "now a file")), "0755 0:0, 0755 0:0");
  EXPECT_EQ(over(TarMaker().Add(Directory("d/", 0711, 1))), "0711 1:2 of d/, 0700 8:9 of d/sub/");
  const Layers same({base, TarMaker().File(".wh.d", "").File("d/sub/x", "")});
  EXPECT_EQ(same.Of({"d"}), "0755 0:0") << "hidden by the layer itself";
}

// Overlayfs obeys a whiteout only where it merges; elsewhere it lists the device.
TEST(LowerDirectoriesTest, WhiteoutsAreThereOnlyWhereLowerLayersShowThrough) {
  const TarMaker base = TarMaker().Dir("d/").Dir("d/sub/");
  const Layers merged(
      {base, TarMaker().File("d/.wh.x", "").File("d/sub/.wh.x", "").File("d/y", "")});
  EXPECT_EQ(merged.Names({"d"}), "sub x y ");
  EXPECT_EQ(merged.Names({"d", "sub"}), "x ");
  const Layers opaque({base, TarMaker()
                                 .File("d/.wh.x", "")
                                 .File("d/.wh..wh..opq", "")
                                 .File("d/sub/.wh.x", "")
                                 .File("d/y", "")});
  EXPECT_EQ(opaque.Names({"d"}), "sub y ");
  EXPECT_EQ(opaque.Names({"d", "sub"}), "");
  const Layers replaced(
      {base, TarMaker().File("d", "").Dir("d/").File("d/.wh.x", "").File("d/y", "")});
  EXPECT_EQ(replaced.Names({"d"}), "y ");
  EXPECT_TRUE(IsOpaque(*replaced.top->Xattrs(*Find(*replaced.top, {"d"}))));
  const Layers nothing_below({base, TarMaker().File("new/.wh.x", "").File("new/y", "")});
  EXPECT_EQ(nothing_below.Names({"new"}), "y ");
  const Layers bottom({TarMaker().File(".wh.x", "").File("y", "")});
  EXPECT_EQ(bottom.Names({}), "y ");
}

// As the layers below are not known, they may have anything.
TEST(LowerDirectoriesTest, AloneALayerKeepsItsWhiteoutsButThoseInOpaqueDirectories) {
  const Bytes bytes(TarMaker()
                        .File("new/.wh.x", "")
                        .File("o/.wh..wh..opq", "")
                        .File("o/.wh.x", "")
                        .File("o/deep/.wh.x", "")
                        .Finish());
  const auto image = bytes.Open();
  EXPECT_TRUE(IsWhiteout(*Find(*image, {"new", "x"})));
  EXPECT_FALSE(Find(*image, {"o", "x"}).ok());
  EXPECT_FALSE(Find(*image, {"o", "deep", "x"}).ok());
}

TEST(LowerDirectoriesTest, FilesOfAufsServeHardLinksAndAreGone) {
  const Bytes bytes(TarMaker()
                        .Dir(".wh..wh.plnk/")
                        .File(".wh..wh.plnk/77.12", "data")
                        .File(".wh..wh.aufs", "")
                        .File("d/.wh..wh.orph/x", "")
                        .HardLink("bin/tool", ".wh..wh.plnk/77.12")
                        .Finish());
  const auto image = bytes.Open();
  const auto tool = Find(*image, {"bin", "tool"});
  ASSERT_TRUE(tool.ok());
  EXPECT_EQ(Content(*image, *tool), "data");
  EXPECT_EQ(tool->links, 1U);
  EXPECT_EQ(image->List(*image->Stat(image->root()))->size(), 2U);
  EXPECT_TRUE(image->List(*Find(*image, {"d"}))->empty());
}

TEST(DependsOnLowerTest, SaysWhenALayerAloneIsNotTheOneOverTheOthers) {
  const auto depends = [](const std::vector<TarMaker>& below, const TarMaker& layer) {
    const Layers layers(below);
    const Bytes alone(layer.Finish());
    const auto answer = DependsOnLower(*alone.Open(), layers.lower);
    EXPECT_TRUE(answer.ok());
    const bool is_another =
        Bytes(layer.Finish(), Compression::kNone, &layers.lower).image != alone.image;
    EXPECT_TRUE(*answer || !is_another);
    return *answer;
  };
  const TarMaker plain = TarMaker().File("d/x", "");
  const TarMaker closed = TarMaker().Add(Directory("d/", 0700, 7));
  EXPECT_FALSE(depends({plain}, TarMaker().File("d/y", "")));
  EXPECT_TRUE(depends({closed}, TarMaker().File("d/y", "")));
  EXPECT_FALSE(depends({closed}, TarMaker().Add(Directory("d/", 0711, 1)).File("d/y", "")));
  EXPECT_FALSE(depends({closed}, TarMaker().File("other", "")));
  EXPECT_FALSE(depends({closed}, TarMaker().File("d/.wh.y", "").Add(Directory("d/", 0711, 1))));
  EXPECT_TRUE(depends({plain}, TarMaker().File("new/.wh.y", "")));
  EXPECT_FALSE(depends({}, plain));
  EXPECT_TRUE(depends({TarMaker().Add(Directory("./", 0555, 0))}, plain));
}

TEST(LowerDirectoriesTest, AreBounded) {
  TarMaker many;
  for (int i = 0; i < 20; ++i) many.Dir("d" + std::to_string(i) + "/");
  const Bytes bytes(many.Finish());
  for (LowerDirectories lower : {LowerDirectories(10), LowerDirectories(100, 30)}) {
    const auto merged = MergeDirectories(*bytes.Open(), lower);
    ASSERT_FALSE(merged.ok());
    EXPECT_EQ(merged.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_THAT(merged.error().message(), HasSubstr("the directories of the layers are more than"));
  }
}

}  // namespace
}  // namespace locket::erofs
