#include <gmock/gmock.h>

#include "tests/cli/image/image_fixture.h"
#include "tests/erofs/tar_maker.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DiffTest : public ImageTest {
 protected:
  // A layout image of one layer for each tar.
  std::string MakeImage(const std::string& name, const std::vector<std::string>& tars) {
    const std::string image = Path("made") + ":" + name;
    if (!std::filesystem::exists(Path("made")))
      RunTool({"umoci", "init", "--layout", Path("made")});
    RunTool({"umoci", "new", "--image", image});
    for (const auto& tar : tars) {
      RunTool({"umoci", "raw", "add-layer", "--image", image, Write("layer.tar", tar)});
    }
    return "oci:" + image;
  }

  // The comparison of these layers, which lie on a common one: a whiteout needs something below.
  json DiffOne(const std::string& a, const std::string& b) {
    const std::string base = TarMaker().File("base", "").Finish();
    const auto diff =
        cli_.Run({"image", "diff", MakeImage("a", {base, a}), MakeImage("b", {base, b}), "--json",
                  "--tmp", dir_.path().string()});
    EXPECT_EQ(diff.exit_code, 3) << diff.err;
    EXPECT_FALSE(TemporaryFilesLeft());
    return json::parse(diff.out)["layers"][1];
  }

  static json Difference(const std::string& path, const std::string& what, const std::string& a,
                         const std::string& b) {
    return {{"path", path}, {"what", what}, {"a", a}, {"b", b}};
  }
};

TEST_F(DiffTest, SameImageIsTheSameAndNothingIsFetched) {
  const auto diff = cli_.Run({"image", "diff", Source("app"), Source("app")});
  EXPECT_EQ(diff.exit_code, 0) << diff.err;
  EXPECT_EQ(diff.out, "layer 0: same\nlayer 1: same\n");
}

TEST_F(DiffTest, EveryKindOfDifferenceIsNamedWithBothValues) {
  TarMaker a;
  a.Add({.name = "mode", .data = "x", .mode = 0644});
  a.Add({.name = "owner", .data = "x", .uid = 1, .gid = 2});
  a.Add({.name = "time", .data = "x", .pax = {{"mtime", "5.5"}}});
  a.Add({.name = "content", .data = "one"});
  a.Add({.name = "size", .data = "x"});
  a.Add({.name = "xattr", .data = "x", .pax = {{"SCHILY.xattr.user.color", "red"}}});
  a.Symlink("link", "here");
  a.Add({.name = "device", .type = '3', .major = 1, .minor = 3});
  a.Add({.name = "first", .data = "same"});
  a.HardLink("second", "first");
  a.File("type", "x");
  a.File("gone/deep", "x");
  TarMaker b;
  b.Add({.name = "mode", .data = "x", .mode = 04755});
  b.Add({.name = "owner", .data = "x", .uid = 1, .gid = 3});
  b.Add({.name = "time", .data = "x", .mtime = 6});
  b.Add({.name = "content", .data = "two"});
  b.Add({.name = "size", .data = "xy"});
  b.Add({.name = "xattr", .data = "x", .pax = {{"SCHILY.xattr.user.shape", "round"}}});
  b.Symlink("link", "there");
  b.Add({.name = "device", .type = '3', .major = 1, .minor = 5});
  b.Add({.name = "first", .data = "same"});
  b.Add({.name = "second", .data = "same"});
  b.Dir("type");
  b.File(".wh.new", "");
  const json layer = DiffOne(a.Finish(), b.Finish());
  EXPECT_EQ(layer["why"], "the file systems differ");
  json found = json::object();
  for (const auto& difference : layer["differences"]) {
    found[difference["path"].get<std::string>() + " " + difference["what"].get<std::string>()] =
        difference;
  }
  const std::vector<json> expected = {
      Difference("/mode", "mode", "0644", "4755"),
      Difference("/owner", "owner", "1:2", "1:3"),
      Difference("/time", "mtime", "5.500000000", "6.000000000"),
      Difference("/size", "size", "1", "2"),
      Difference("/xattr", "xattr user.color", "0x726564", "none"),
      Difference("/xattr", "xattr user.shape", "none", "0x726f756e64"),
      Difference("/link", "symlink target", "here", "there"),
      Difference("/device", "device", "259", "261"),
      Difference("/second", "hard link", "a link to /first", "a separate file"),
      Difference("/type", "type", "file", "directory"),
      Difference("/gone", "only in A", "directory", ""),
      Difference("/new", "only in B", "", "whiteout")};
  for (const auto& difference : expected) {
    const std::string key =
        difference["path"].get<std::string>() + " " + difference["what"].get<std::string>();
    EXPECT_EQ(found[key], difference) << key;
    found.erase(key);
  }
  ASSERT_TRUE(found.contains("/content content"));
  EXPECT_THAT(found["/content content"]["a"].get<std::string>(), HasSubstr("sha256:"));
  EXPECT_EQ(found.size(), 1U) << found;
}

TEST_F(DiffTest, OrderOfTheTarIsTheReasonIfNothingElseIs) {
  const std::string big(9000, 'x');
  const std::string other(9000, 'y');
  const json layer = DiffOne(TarMaker().File("a", big).File("b", other).Finish(),
                             TarMaker().File("b", other).File("a", big).Finish());
  ASSERT_EQ(layer["differences"].size(), 1U);
  EXPECT_EQ(layer["differences"][0]["what"], "order");
  EXPECT_EQ(layer["differences"][0]["path"], "/a");
}

TEST_F(DiffTest, TarsThatDifferInNothingVisibleAreExplained) {
  const std::string tar = TarMaker().File("a", "x").Finish();
  const json layer = DiffOne(tar, tar + std::string(10240, '\0'));
  EXPECT_THAT(layer["differences"], IsEmpty());
  EXPECT_NE(layer["root_hash_a"], layer["root_hash_b"]);
  EXPECT_THAT(layer["why"].get<std::string>(), HasSubstr("padding"));
}

TEST_F(DiffTest, SealedAndOrdinaryImagesAreComparedByTheirFiles) {
  SealApp(Sealed());
  const auto diff = cli_.Run({"image", "diff", Source("app"), Sealed(), "--kek", kek_});
  EXPECT_EQ(diff.exit_code, 3) << diff.err;
  EXPECT_THAT(diff.out, AllOf(HasSubstr("layer 0: same\n"),
                              HasSubstr("layer 1: the same files, but root hashes cover what is "
                                        "stored")));
  const auto no_key = cli_.Run({"image", "diff", Source("app"), Sealed()});
  EXPECT_EQ(no_key.exit_code, 1);
  EXPECT_THAT(no_key.err, AllOf(HasSubstr("compare layer 1: B: layer 1"), HasSubstr("--kek")));
}

TEST_F(DiffTest, LayersThatOnlyOneHasAndLongListsAreTold) {
  TarMaker many;
  for (int i = 0; i < 20; ++i) many.File("f" + std::to_string(i), "");
  const std::string a = MakeImage("a", {many.Finish(), many.Finish()});
  const std::string b = MakeImage("b", {TarMaker().File("f\x1b[31m", "").Finish()});
  const auto diff = cli_.Run({"image", "diff", a, b, "--limit", "3"});
  EXPECT_EQ(diff.exit_code, 3);
  EXPECT_THAT(diff.out, AllOf(HasSubstr("and 18 more; --limit"),
                              HasSubstr("layer 1: B has no such layer"), Not(HasSubstr("\x1b"))));
}

using MeasureTest = DiffTest;

TEST_F(MeasureTest, MeasuresWhatSealingVerifyOnlyMakes) {
  const auto measure =
      cli_.Run({"image", "measure", Source("app"), "--json", "--tmp", dir_.path().string()});
  ASSERT_EQ(measure.exit_code, 0) << measure.err;
  const json measured = json::parse(measure.out);
  const auto seal =
      cli_.Run({"image", "seal", Source("app"), Sealed(), "--encrypt-layers", "none", "--json"});
  const json sealed = json::parse(seal.out);
  ASSERT_EQ(measured["layers"].size(), 2U);
  for (const size_t i : {0U, 1U}) {
    const json& layer = measured["layers"][i];
    EXPECT_EQ(layer["root_hash"], sealed["layers"][i]["root_hash"]);
    EXPECT_EQ(layer["salt"], sealed["layers"][i]["salt"]);
    EXPECT_EQ(layer["data_size"], sealed["layers"][i]["data_size"]);
    EXPECT_EQ(layer["blob_digest"], sealed["layers"][i]["digest"]);
    EXPECT_EQ(layer["diff_id"], sealed["layers"][i]["source_diff_id"]);
  }
  const json inspected = json::parse(cli_.Run({"image", "inspect", Source("app"), "--json"}).out);
  EXPECT_EQ(measured["manifest_digest"], inspected["manifest_digest"]);
  EXPECT_EQ(measured["sealed_manifest_digest"], sealed["manifest_digest"]);
  EXPECT_EQ(measured["sealed_config_digest"], sealed["config_digest"]);
  EXPECT_EQ(measured["user"], "1000:1001") << "resolved with the lower layer's passwd";
  const json base = json::parse(cli_.Run({"image", "measure", Source("base"), "--json"}).out);
  EXPECT_EQ(cli_.Run({"image", "measure", Source("base")}).out,
            "manifest  " + base["sealed_manifest_digest"].get<std::string>() + "\nlayers\n  " +
                measured["layers"][0]["diff_id"].get<std::string>() + "  " +
                measured["layers"][0]["root_hash"].get<std::string>() + "\n");
  EXPECT_FALSE(TemporaryFilesLeft());
}

TEST_F(MeasureTest, AUserThatCannotBeResolvedIsRefused) {
  const auto lost = cli_.Run({"image", "measure", Source("lost")});
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_THAT(lost.err, HasSubstr("no user 'nobody-knows'"));
  EXPECT_EQ(lost.out, "");
}

TEST_F(MeasureTest, SealedAndDamagedImagesAreRefused) {
  SealApp(Sealed());
  const auto sealed = cli_.Run({"image", "measure", Sealed()});
  EXPECT_EQ(sealed.exit_code, 1);
  EXPECT_THAT(sealed.err, HasSubstr("'locket image inspect' shows its root hashes"));
  RunTool({"cp", "-r", LayoutPath(), Path("copy")});
  const std::string copy = "oci:" + Path("copy") + ":app";
  const json inspected = json::parse(cli_.Run({"image", "inspect", copy, "--json"}).out);
  const std::string digest = inspected["layers"][1]["digest"];
  std::filesystem::resize_file(Path("copy/blobs/sha256/" + digest.substr(7)), 20);
  const auto damaged = cli_.Run({"image", "measure", copy});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("layer 1 (" + digest + ")"));
  EXPECT_EQ(damaged.out, "") << "half an answer is none";
}

}  // namespace
}  // namespace locket::cli
