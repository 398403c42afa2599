#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/image/extract_layer.h"
#include "tests/cli/image/image_fixture.h"
#include "tests/cli/image/tree_listing.h"
#include "tests/erofs/tar_maker.h"

namespace locket::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Version 2 of struct vfs_cap_data: cap_net_bind_service, permitted and effective.
const std::string kCapability(
    "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00",
    20);

class ExtractTest : public ImageTest {
 protected:
  // An image of these layers, made by umoci, in a layout of its own.
  std::string MakeImage(const std::vector<std::string>& tars) {
    const std::string image = Path("made") + ":it";
    RunTool({"umoci", "init", "--layout", Path("made")});
    RunTool({"umoci", "new", "--image", image});
    for (const auto& tar : tars) {
      RunTool({"umoci", "raw", "add-layer", "--image", image, Write("layer.tar", tar)});
    }
    return "oci:" + image;
  }

  std::string Seal(const std::string& image) {
    const auto seal = cli_.Run({"image", "seal", image, Sealed(), "--encrypt-layers", "-1", "--kek",
                                kek_, "--key-id", "kbs:///a/b/c"});
    EXPECT_EQ(seal.exit_code, 0) << seal.err;
    return Sealed();
  }

  CliResult Extract(const std::string& image, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "image", "extract", image, Path("out"), "--tmp", dir_.path().string(), "--kek", kek_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }

  bool NothingLeft() const {
    for (const auto& entry : fs::directory_iterator(dir_.path())) {
      const std::string name = entry.path().filename();
      if (name == "out" || name.find("locket-") != std::string::npos) return false;
    }
    return true;
  }
};

std::string LowerLayer() {
  TarMaker tar;
  tar.Add({.name = "./", .type = '5', .mode = 0755, .mtime = 1000});
  tar.Add({.name = "dir/", .type = '5', .mode = 02775, .uid = 7, .gid = 8, .mtime = 1001});
  tar.Add({.name = "dir/kept", .data = "kept", .mode = 0640, .uid = 1000, .gid = 50, .mtime = 2});
  tar.Add({.name = "dir/gone", .data = "gone", .mtime = 3});
  tar.Add({.name = "dir/changed", .data = "before", .mtime = 3});
  tar.Add({.name = "opaque/", .type = '5', .mode = 0755, .mtime = 4});
  tar.Add({.name = "opaque/hidden", .data = "hidden", .mtime = 4});
  tar.Add({.name = "was-directory/", .type = '5', .mode = 0700, .mtime = 5});
  tar.Add({.name = "was-directory/deep/", .type = '5', .mode = 0500, .mtime = 5});
  tar.Add({.name = "was-directory/deep/file", .data = "x", .mode = 0400, .mtime = 5});
  tar.Add({.name = "was-file", .data = "x", .mtime = 5});
  tar.Add({.name = "setuid", .data = "#!", .mode = 04755, .mtime = 6});
  tar.Add({.name = "capable",
           .data = std::string(70'000, 'c'),
           .mode = 0755,
           .pax = {{"mtime", "1700000000.123456789"},
                   {"SCHILY.xattr.security.capability", kCapability},
                   {"SCHILY.xattr.user.color", "red"}}});
  tar.Add({.name = "again", .type = '1', .link = "capable"});
  tar.Add({.name = "link", .type = '2', .link = "dir/kept", .mode = 0777, .uid = 3, .mtime = 9});
  tar.Add({.name = "null", .type = '3', .mode = 0666, .mtime = 7, .major = 1, .minor = 3});
  tar.Add({.name = "disk",
           .type = '4',
           .mode = 0660,
           .gid = 6,
           .mtime = 7,
           .major = 259,
           .minor = 1000});
  tar.Add({.name = "pipe", .type = '6', .mode = 0622, .mtime = 8});
  tar.Add({.name = "empty", .mode = 0, .mtime = 8});
  return tar.Finish();
}

std::string UpperLayer() {
  TarMaker tar;
  tar.Add({.name = "./", .type = '5', .mode = 0711, .uid = 1, .mtime = 2000});
  tar.Add({.name = "dir/", .type = '5', .mode = 0751, .uid = 9, .gid = 9, .mtime = 2001});
  tar.File("dir/.wh.gone", "");
  tar.Add({.name = "dir/changed", .data = "after", .mode = 0600, .mtime = 2002});
  tar.Add({.name = "opaque/", .type = '5', .mode = 0700, .mtime = 2003});
  tar.File("opaque/.wh..wh..opq", "");
  tar.Add({.name = "opaque/fresh", .data = "fresh", .mtime = 2003});
  tar.Add({.name = "was-directory", .data = "now a file", .mtime = 2004});
  tar.Add({.name = "was-file/", .type = '5', .mode = 0755, .mtime = 2005});
  tar.Add({.name = "was-file/in", .data = "in", .mtime = 2005});
  return tar.Finish();
}

TEST_F(ExtractTest, TreeIsWhatUmociUnpacks) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners and devices";
  const std::string image = MakeImage({LowerLayer(), UpperLayer()});
  RunTool({"umoci", "unpack", "--image", image.substr(4), Path("bundle")});
  const auto expected = ListTree(Path("bundle/rootfs"));
  const auto extract = Extract(Seal(image));
  ASSERT_EQ(extract.exit_code, 0) << extract.err;
  EXPECT_THAT(ListTree(Path("out")), ::testing::ContainerEq(expected));
  EXPECT_EQ(expected.size(), 17U);
  EXPECT_FALSE(TemporaryFilesLeft());
}

TEST_F(ExtractTest, OrdinaryImageGivesTheSameTree) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners and devices";
  const std::string image = MakeImage({LowerLayer(), UpperLayer()});
  ASSERT_EQ(Extract(image).exit_code, 0);
  const auto plain = ListTree(Path("out"));
  fs::remove_all(Path("out"));
  ASSERT_EQ(Extract(Seal(image)).exit_code, 0);
  EXPECT_THAT(ListTree(Path("out")), ::testing::ContainerEq(plain));
}

TEST_F(ExtractTest, RootlessLeavesOutWhatOnlyRootMayMakeAndSaysSo) {
  const auto extract =
      Extract(Seal(MakeImage({LowerLayer(), UpperLayer()})), {"--rootless", "--json"});
  ASSERT_EQ(extract.exit_code, 0) << extract.err;
  const json report = json::parse(extract.out);
  EXPECT_EQ(report["devices_left_out"], 2);
  EXPECT_EQ(report["xattrs_left_out"], 1);
  struct stat status {};
  ASSERT_EQ(::stat(Path("out/dir").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, ::geteuid());
  EXPECT_EQ(status.st_mode & 07777U, 0751U);
  EXPECT_EQ(Read(Path("out/dir/changed")), "after");
  EXPECT_FALSE(fs::exists(Path("out/null")));
}

// A lower layer's symlink must not lead an upper layer's file, whiteout or opaque mark outside.
TEST_F(ExtractTest, NothingOutsideTheDirectoryIsTouched) {
  Write("outside/file", "untouched");
  TarMaker lower;
  for (const char* name : {"a", "b", "c"}) lower.Symlink(name, Path("outside"));
  TarMaker upper;
  upper.File("a/file", "mine").File("b/.wh.file", "").Dir("c").File("c/.wh..wh..opq", "");
  const auto extract = Extract(Seal(MakeImage({lower.Finish(), upper.Finish()})), {"--rootless"});
  ASSERT_EQ(extract.exit_code, 0) << extract.err;
  EXPECT_EQ(Read(Path("outside/file")), "untouched");
  EXPECT_EQ(Read(Path("out/a/file")), "mine");
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(Path("out/c"))));
}

TEST_F(ExtractTest, OneLayerBecomesAnErofsImage) {
  SealApp(Sealed());
  const auto extract = cli_.Run({"image", "extract", Sealed(), "--layer", "-1", "-o", Path("top"),
                                 "--kek", kek_, "--tmp", dir_.path().string()});
  ASSERT_EQ(extract.exit_code, 0) << extract.err;
  EXPECT_EQ(extract.out, "extracted layer 1 to " + Path("top") + "\n");
  RunTool({"fsck.erofs", Path("top")});
  EXPECT_THAT(Read(Path("top")), HasSubstr("the secret of the application layer"));
  struct stat status {};
  ASSERT_EQ(::stat(Path("top").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U) << "its content was encrypted for a reason";
  const auto json_too = cli_.Run({"image", "extract", Sealed(), "--layer", "0", "-o",
                                  Path("bottom"), "--json", "--tmp", dir_.path().string()});
  const json inspected = json::parse(cli_.Run({"image", "inspect", Sealed(), "--json"}).out);
  EXPECT_EQ(json::parse(json_too.out), json({{"file", Path("bottom")},
                                             {"layer", 0},
                                             {"size", fs::file_size(Path("bottom"))},
                                             {"root_hash", inspected["layers"][0]["root_hash"]}}));
  const auto none = cli_.Run({"image", "extract", Sealed(), "--layer", "2", "-o", Path("x")});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("no layer 2; the image has 2 layers, 0 to 1"));
  EXPECT_FALSE(fs::exists(Path("x")));
}

TEST_F(ExtractTest, WrongOrMissingKeyIsNamedAndLeavesNothing) {
  SealApp(Sealed());
  ASSERT_EQ(cli_.Run({"key", "create", Path("other")}).exit_code, 0);
  const auto wrong = Extract(Sealed(), {"--rootless", "--kek", Path("other")});
  EXPECT_EQ(wrong.exit_code, 2) << "given twice";
  const auto other = cli_.Run({"image", "extract", Sealed(), Path("out"), "--rootless", "--kek",
                               Path("other"), "--tmp", dir_.path().string()});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, AllOf(HasSubstr("layer 1 (sha256:"), HasSubstr("open its key packet")));
  EXPECT_TRUE(NothingLeft());
  const auto none = cli_.Run({"image", "extract", Sealed(), Path("out"), "--rootless"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err,
              AllOf(HasSubstr("layer 1"), HasSubstr("'kbs:///team/key/app'"), HasSubstr("--kek")));
  EXPECT_TRUE(NothingLeft());
}

TEST_F(ExtractTest, DamagedLayerLeavesNothing) {
  const json sealed = SealApp(Sealed());
  fs::resize_file(BlobPath(sealed["layers"][1]["digest"]), 4096);
  const auto extract = Extract(Sealed(), {"--rootless"});
  EXPECT_EQ(extract.exit_code, 1);
  EXPECT_THAT(extract.err, AllOf(HasSubstr("layer 1 (sha256:"), HasSubstr("shorter than stated")));
  EXPECT_TRUE(NothingLeft());
}

TEST_F(ExtractTest, DirectoryInUseIsRefusedAndLeftAlone) {
  SealApp(Sealed());
  Write("out/mine", "mine");
  const auto extract = Extract(Sealed(), {"--rootless"});
  EXPECT_EQ(extract.exit_code, 1);
  EXPECT_THAT(extract.err, AllOf(HasSubstr(Path("out")), HasSubstr("not an empty directory")));
  EXPECT_EQ(Read(Path("out/mine")), "mine");
  fs::remove(Path("out/mine"));
  EXPECT_EQ(Extract(Sealed(), {"--rootless"}).exit_code, 0) << "an empty one is as good as new";
}

// Not at the end, when all has been fetched.
TEST_F(ExtractTest, DirectoriesThatCannotBeReplacedAreRefusedAtOnce) {
  fs::create_directory(Path("out"));
  const auto here =
      RunCommand({"sh", "-c",
                  "cd " + Path("out") + " && " LOCKET_BINARY_DIR "/bin/locket image extract " +
                      Source("app") + " . --rootless"});
  EXPECT_EQ(here->exit_status, 1);
  EXPECT_THAT(here->standard_error, HasSubstr("'.' is the working directory, which cannot be "
                                              "replaced; name a new directory in it"));
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  RunTool({"mount", "-t", "tmpfs", "none", Path("out")});
  const auto mounted = Extract(Source("app"), {"--rootless"});
  RunTool({"umount", Path("out")});
  EXPECT_EQ(mounted.exit_code, 1);
  EXPECT_THAT(mounted.err, HasSubstr("is a mount point"));
}

TEST_F(ExtractTest, RefusesWrongUsage) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"give DIR for the whole image", {"image", "extract", Source("app")}},
      {"--layer and -o need each other", {"image", "extract", Source("app"), "--layer", "0"}},
      {"--layer and -o need each other", {"image", "extract", Source("app"), "-o", "x"}},
      {"not both", {"image", "extract", Source("app"), "dir", "--layer", "0", "-o", "x"}},
      {"--rootless cannot be used with --layer",
       {"image", "extract", Source("app"), "--layer", "0", "-o", "x", "--rootless"}},
      {"IMAGE: ", {"image", "extract", "Not An Image", "dir"}}};
  for (const auto& [reason, arguments] : cases) {
    const auto extract = cli_.Run(arguments);
    EXPECT_EQ(extract.exit_code, 2) << reason;
    EXPECT_THAT(extract.err, HasSubstr(reason));
  }
}

// What was extracted to `directory` by then.
Status ExtractFile(const std::string& image, const std::string& directory,
                   const ExtractLayerOptions& options) {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(image, O_RDONLY));
  LOCKET_TRY_ASSIGN(const auto reader, erofs::ImageReader::Open(
                                           [&](uint64_t at, std::span<std::byte> out) {
                                             return PreadFull(file.get(), out, at);
                                           },
                                           fs::file_size(image)));
  LOCKET_TRY_ASSIGN(const UniqueFd root, OpenFile(directory, O_RDONLY | O_DIRECTORY));
  ExtractReport report;
  return ExtractLayer(reader, root.get(), options, report);
}

class ExtractLayerTest : public ExtractTest {
 protected:
  // One large file and `small` ones of a block each, as an EROFS image.
  std::string MakeLayer(int small) {
    TarMaker tar;
    tar.File("large", std::string(1U << 20, 'L'));
    for (int i = 0; i < small; ++i) tar.File(std::to_string(i), std::string(4096, 's'));
    const auto extract = cli_.Run({"image", "extract", MakeImage({tar.Finish()}), "--layer", "0",
                                   "-o", Path("image"), "--tmp", dir_.path().string()});
    EXPECT_EQ(extract.exit_code, 0) << extract.err;
    fs::create_directory(Path("tree"));
    return Path("image");
  }
};

// By somebody else: a small image would become a large tree.
TEST_F(ExtractLayerTest, FilesThatShareTheirBlocksAreRefused) {
  std::string image = Read(MakeLayer(20));
  // Extended inodes, not inlined, of 4096 bytes: those become the large file once more.
  const std::string small("\x01\x00\x00\x00\xa4\x81\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00", 16);
  std::string large = small;
  large.replace(8, 4, std::string("\x00\x00\x10\x00", 4));
  const size_t inode = image.find(large);
  ASSERT_NE(inode, std::string::npos);
  int changed = 0;
  for (size_t at = image.find(small); at != std::string::npos; at = image.find(small, at + 1)) {
    image.replace(at, 20, image.substr(inode, 20));
    ++changed;
  }
  ASSERT_EQ(changed, 20);
  const auto done = ExtractFile(Write("image", image), Path("tree"), {.rootless = true});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(done.error().message(), HasSubstr("its files are larger than the image"));
}

TEST_F(ExtractLayerTest, EndsWhenItIsToldToStop) {
  const std::string image = MakeLayer(1);
  EXPECT_TRUE(ExtractFile(image, Path("tree"), {.rootless = true}).ok());
  std::stop_source source;
  source.request_stop();
  const auto done =
      ExtractFile(image, Path("tree"), {.rootless = true, .stop = source.get_token()});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace locket::cli
