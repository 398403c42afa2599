#include <gmock/gmock.h>
#include <sys/socket.h>

#include "image/oci/digest.h"
#include "tests/cli/image/image_fixture.h"
#include "tests/erofs/tar_maker.h"

namespace locket::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CopyTest : public ImageTest {
 protected:
  CliResult Copy(const std::string& from, const std::string& to,
                 std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"image", "copy", from, to, "--tmp", dir_.path().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }

  // Every blob of the one layout is in the other, with the same bytes.
  void ExpectBlobsOf(const std::string& part, const std::string& whole) {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(part + "/blobs/sha256")) {
      const std::string name = entry.path().filename();
      EXPECT_EQ(Read(entry.path()), Read(whole + "/blobs/sha256/" + name)) << name;
      ++count;
    }
    EXPECT_GT(count, 0U);
  }
};

TEST_F(CopyTest, IndexIsCopiedWholeAndByteForByte) {
  const std::string source = MakeIndex();
  const auto copy = Copy(source, "oci:" + Path("copy") + ":x", {"--json"});
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  const json report = json::parse(copy.out);
  EXPECT_EQ(report["digest"], index_digest_);
  EXPECT_EQ(report["media_type"], kIndexType);
  EXPECT_EQ(report["blobs"], 5) << "three configs, a layer that all share, and another";
  EXPECT_EQ(report["blobs_sent"], 5);
  ExpectBlobsOf(Path("copy"), Path("layout"));
  for (const char* platform : {"linux/amd64", "linux/arm64"}) {
    const auto inspect =
        cli_.Run({"image", "inspect", "oci:" + Path("copy") + ":x", "--platform", platform});
    EXPECT_EQ(inspect.exit_code, 0) << inspect.err;
  }
  const auto again = Copy(source, "oci:" + Path("copy") + ":y", {"--json"});
  EXPECT_EQ(json::parse(again.out)["blobs_sent"], 0) << "all is there";
}

TEST_F(CopyTest, OnePlatformIsCopiedIfNamed) {
  const auto copy =
      Copy(MakeIndex(), "oci:" + Path("copy") + ":x", {"--platform", "linux/arm64", "--json"});
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  EXPECT_EQ(json::parse(copy.out)["blobs"], 2);
  EXPECT_EQ(json::parse(copy.out)["media_type"], "application/vnd.oci.image.manifest.v1+json");
}

TEST_F(CopyTest, ArchivesOfEveryKindGiveTheSameDigest) {
  const json sealed = SealApp(Sealed());
  const std::string archive = "oci-archive:" + Path("a.tar") + ":app";
  ASSERT_EQ(Copy(Sealed(), archive).exit_code, 0);
  const std::string bytes = Read(Path("a.tar"));
  ASSERT_EQ(Copy(Sealed(), archive, {}).exit_code, 0);
  const auto back = Copy(archive, "oci:" + Path("back") + ":app");
  ASSERT_EQ(back.exit_code, 0) << back.err;
  EXPECT_EQ(back.out, sealed["manifest_digest"].get<std::string>() + "\n");
  ExpectBlobsOf(Path("back"), Path("sealed"));
  EXPECT_EQ(cli_.Run({"image", "verify", archive, "--kek", kek_}).exit_code, 0);
  RunTool({"skopeo", "inspect", archive});
  EXPECT_FALSE(TemporaryFilesLeft());
}

TEST_F(CopyTest, ArchiveFlowsThroughStandardInputAndOutput) {
  const json sealed = SealApp(Sealed());
  const std::string digest = sealed["manifest_digest"];
  const auto out = Copy(Sealed(), "-");
  ASSERT_EQ(out.exit_code, 0) << out.err;
  EXPECT_THAT(out.err, HasSubstr(digest)) << "there is no room for it on standard output";
  const auto in = RunCommand({LOCKET_BINARY_DIR "/bin/locket", "image", "copy", "-",
                              "oci:" + Path("back") + ":app", "--tmp", dir_.path().string()},
                             {.input = out.out});
  ASSERT_TRUE(in.ok()) << in.error().message();
  EXPECT_EQ(in->exit_status, 0) << in->standard_error;
  EXPECT_EQ(in->standard_output, digest + "\n");
  RunTool({"skopeo", "copy", "-q", Source("app"), "docker-archive:" + Path("docker.tar")});
  const auto docker = RunCommand({LOCKET_BINARY_DIR "/bin/locket", "image", "inspect", "-"},
                                 {.input = Read(Path("docker.tar"))});
  ASSERT_TRUE(docker.ok());
  EXPECT_EQ(docker->exit_status, 0) << docker->standard_error;
}

// As under systemd, inetd or ssh: it has no name that could be opened.
TEST_F(CopyTest, StandardInputMayBeASocket) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const UniqueFd theirs(fds[0]);
  UniqueFd ours(fds[1]);
  const UniqueFd log = *OpenFile(Path("log"), O_RDWR | O_CREAT);
  auto locket = Subprocess::Start({LOCKET_BINARY_DIR "/bin/locket", "image", "inspect", "-"},
                                  {.stdin_fd = theirs.get(), .stderr_fd = log.get()});
  ASSERT_TRUE(locket.ok());
  const auto sent = WriteFull(ours.get(), AsBytes(TarMaker().File("x", "y").Finish()));
  ours.reset();
  EXPECT_EQ(*locket->Wait(), 1);
  EXPECT_TRUE(sent.ok());
  EXPECT_THAT(Read(Path("log")), HasSubstr("not from 'docker save'"));
}

TEST_F(CopyTest, SealsIntoAnArchive) {
  const std::string archive = "oci-archive:" + Path("sealed.tar") + ":app";
  SealApp(archive);
  EXPECT_EQ(cli_.Run({"image", "verify", archive, "--kek", kek_}).exit_code, 0);
}

TEST_F(CopyTest, DamagedOrMissingBlobLeavesNoImage) {
  const std::string source = MakeIndex();
  const json inspected = json::parse(cli_.Run({"image", "inspect", source, "--json"}).out);
  const std::string digest = inspected["layers"][1]["digest"];
  const std::string path = Path("layout/blobs/sha256/" + digest.substr(7));
  fs::resize_file(path, 10);
  for (const std::string& target :
       {"oci:" + Path("copy") + ":x", "oci-archive:" + Path("copy.tar")}) {
    const auto damaged = Copy(source, target);
    EXPECT_EQ(damaged.exit_code, 1);
    EXPECT_THAT(damaged.err, AllOf(HasSubstr(digest), HasSubstr("shorter than stated")));
    EXPECT_EQ(cli_.Run({"image", "inspect", target}).exit_code, 1);
  }
  EXPECT_FALSE(fs::exists(Path("copy.tar")));
  fs::remove(path);
  const auto missing = Copy(source, "oci:" + Path("copy") + ":x");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr(digest.substr(7)));
}

TEST_F(CopyTest, IndexesNestedForeverAreRefused) {
  const std::string source = MakeIndex();
  json index = ReadJson(Path("layout/index.json"));
  std::string digest = index_digest_;
  size_t size = index["manifests"].back()["size"];
  for (int i = 0; i < 6; ++i) {
    const json outer = {
        {"schemaVersion", 2},
        {"mediaType", kIndexType},
        {"manifests", {{{"mediaType", kIndexType}, {"digest", digest}, {"size", size}}}}};
    const std::string bytes = outer.dump();
    digest = image::Digest::Of(bytes).ToText();
    size = bytes.size();
    Write("layout/blobs/sha256/" + digest.substr(7), bytes);
  }
  index["manifests"].back()["digest"] = digest;
  index["manifests"].back()["size"] = size;
  Write("layout/index.json", index.dump());
  const auto copy = Copy(source, "oci:" + Path("copy") + ":x");
  EXPECT_EQ(copy.exit_code, 1);
  EXPECT_THAT(copy.err, HasSubstr("nested too deeply"));
}

TEST_F(CopyTest, RefusesTargetsThatCannotBe) {
  for (const std::string& target : {std::string("oci:dir"), std::string("docker-archive:x.tar")}) {
    const auto copy = Copy(Source("app"), target);
    EXPECT_EQ(copy.exit_code, 2);
    EXPECT_THAT(copy.err, HasSubstr("TARGET '" + target));
  }
}

class RotateTest : public CopyTest {
 protected:
  RotateTest() { EXPECT_EQ(cli_.Run({"key", "create", Path("new")}).exit_code, 0); }

  CliResult Rotate(const std::string& target, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "key", "rotate",    Sealed(),    target,     "--old-kek",
        kek_,  "--new-kek", Path("new"), "--key-id", "kbs:///team/key/two"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }
};

TEST_F(RotateTest, OnlyTheManifestChangesAndOnlyTheNewKeyOpens) {
  const json sealed = SealApp(Sealed());
  const std::string target = "oci:" + Path("sealed") + ":rotated";
  const auto rotate = Rotate(target, {"--json"});
  ASSERT_EQ(rotate.exit_code, 0) << rotate.err;
  EXPECT_EQ(json::parse(rotate.out)["blobs_sent"], 0);
  const json rotated = json::parse(cli_.Run({"image", "inspect", target, "--json"}).out);
  EXPECT_NE(rotated["manifest_digest"], sealed["manifest_digest"]);
  EXPECT_EQ(rotated["layers"][1]["key_id"], "kbs:///team/key/two");
  for (const size_t i : {0U, 1U}) {
    EXPECT_EQ(rotated["layers"][i]["digest"], sealed["layers"][i]["digest"]);
    EXPECT_EQ(rotated["layers"][i]["root_hash"], sealed["layers"][i]["root_hash"]);
  }
  EXPECT_EQ(cli_.Run({"image", "verify", target, "--kek", Path("new")}).exit_code, 0);
  EXPECT_EQ(cli_.Run({"image", "verify", target, "--kek", kek_}).exit_code, 1);
  EXPECT_EQ(cli_.Run({"image", "verify", Sealed(), "--kek", kek_}).exit_code, 0);
}

TEST_F(RotateTest, WrongOldKeyAndForeignKeyIdChangeNothing) {
  SealApp(Sealed());
  const std::string before = Read(Path("sealed/index.json"));
  const std::string target = "oci:" + Path("sealed") + ":rotated";
  auto wrong = cli_.Run({"key", "rotate", Sealed(), target, "--old-kek", Path("new"), "--new-kek",
                         kek_, "--key-id", "kbs:///team/key/two"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err, AllOf(HasSubstr("layer 1 (sha256:"), HasSubstr("'kbs:///team/key/app'")));
  const auto none = Rotate(target, {"--old-key-id", "kbs:///team/key/none"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("no layer is encrypted under 'kbs:///team/key/none'"));
  EXPECT_EQ(Rotate(target, {"--old-key-id", "no id"}).exit_code, 2);
  EXPECT_EQ(Read(Path("sealed/index.json")), before);
}

TEST_F(RotateTest, OrdinaryAndVerifyOnlyImagesHaveNothingToRotate) {
  const auto ordinary =
      cli_.Run({"key", "rotate", Source("app"), "oci:" + Path("x") + ":y", "--old-kek", kek_,
                "--new-kek", Path("new"), "--key-id", "kbs:///a/b/c"});
  EXPECT_EQ(ordinary.exit_code, 1);
  EXPECT_THAT(ordinary.err, HasSubstr("the image is not sealed"));
  ASSERT_EQ(
      cli_.Run({"image", "seal", Source("app"), Sealed(), "--encrypt-layers", "none"}).exit_code,
      0);
  EXPECT_THAT(Rotate("oci:" + Path("x") + ":y").err, HasSubstr("no layer is encrypted"));
}

TEST_F(RotateTest, WrapMakesAPacketThatOpensTheLayer) {
  const json sealed = SealApp(Sealed());
  const json layer = sealed["layers"][1];
  Write("layer.key", std::string(32, 'a') + std::string(32, 'b'));
  const std::vector<std::string> wrap = {"key",
                                         "wrap",
                                         Path("layer.key"),
                                         "--kek",
                                         Path("new"),
                                         "--key-id",
                                         "kbs:///team/key/two",
                                         "--root-hash",
                                         layer["root_hash"],
                                         "--salt",
                                         layer["salt"],
                                         "--data-size",
                                         layer["data_size"].dump()};
  const auto wrapped = cli_.Run(wrap);
  ASSERT_EQ(wrapped.exit_code, 0) << wrapped.err;
  // Put in place of the right packet it opens, and only what comes out is wrong.
  json manifest = ReadJson(BlobPath(sealed["manifest_digest"]));
  manifest["layers"][1]["annotations"]
          ["org.opencontainers.image.enc.keys.provider.attestation-agent"] =
              wrapped.out.substr(0, wrapped.out.size() - 1);
  const std::string bytes = manifest.dump();
  Write("sealed/blobs/sha256/" + image::Digest::Of(bytes).Hex(), bytes);
  json index = ReadJson(Path("sealed/index.json"));
  index["manifests"][0]["digest"] = image::Digest::Of(bytes).ToText();
  index["manifests"][0]["size"] = bytes.size();
  Write("sealed/index.json", index.dump());
  const auto verify = cli_.Run({"image", "verify", Sealed(), "--kek", Path("new")});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  auto bad = wrap;
  bad[8] = "12";
  EXPECT_EQ(cli_.Run(bad).exit_code, 2);
  bad = wrap;
  bad.back() = "4097";
  EXPECT_THAT(cli_.Run(bad).err, HasSubstr("--data-size"));
  Write("layer.key", "short");
  EXPECT_THAT(cli_.Run(wrap).err, HasSubstr("not 64 bytes"));
}

}  // namespace
}  // namespace locket::cli
