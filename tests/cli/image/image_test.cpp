#include <gmock/gmock.h>

#include "tests/cli/image/image_fixture.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using SealTest = ImageTest;

void FlipByte(const std::string& path, std::streamoff at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(at);
  file.put(byte);
}

TEST_F(SealTest, SealedImageIsInspectedAndVerified) {
  const json sealed = SealApp(Sealed());
  EXPECT_EQ(sealed["user"], "1000:1001");
  ASSERT_EQ(sealed["layers"].size(), 2U);
  EXPECT_FALSE(sealed["layers"][0]["encrypted"].get<bool>());
  EXPECT_TRUE(sealed["layers"][1]["encrypted"].get<bool>());
  EXPECT_EQ(sealed["layers"][1]["key_id"], "kbs:///team/key/app");
  EXPECT_FALSE(TemporaryFilesLeft());

  const auto inspect = cli_.Run({"image", "inspect", Sealed(), "--json"});
  ASSERT_EQ(inspect.exit_code, 0) << inspect.err;
  const json inspected = json::parse(inspect.out);
  EXPECT_TRUE(inspected["sealed"].get<bool>());
  EXPECT_EQ(inspected["manifest_digest"], sealed["manifest_digest"]);
  EXPECT_EQ(inspected["user"], "1000:1001");
  EXPECT_EQ(inspected["entrypoint"], json::array({"/bin/sh"}));
  for (const size_t i : {0U, 1U}) {
    for (const char* key : {"digest", "size", "root_hash", "salt", "data_size", "encrypted"}) {
      EXPECT_EQ(inspected["layers"][i][key], sealed["layers"][i][key]) << key;
    }
  }
  EXPECT_THAT(cli_.Run({"image", "inspect", Sealed()}).out,
              AllOf(HasSubstr("sealed    yes"), HasSubstr("encrypted, key kbs:///team/key/app"),
                    HasSubstr("verify-only")));

  const auto verify = cli_.Run({"image", "verify", Sealed(), "--kek", kek_});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  EXPECT_EQ(verify.err, "layer 1 of 2: sound\nlayer 2 of 2: sound, key opens it\n");
  EXPECT_EQ(verify.out, Sealed() + " is sound\n");
}

TEST_F(SealTest, EncryptedLayerShowsNothingAndThePublicOneIsTheSameEachTime) {
  const json one = SealApp(Sealed());
  const json two = SealApp("oci:" + Path("other") + ":app");
  EXPECT_EQ(one["layers"][0]["digest"], two["layers"][0]["digest"]);
  EXPECT_NE(one["layers"][1]["digest"], two["layers"][1]["digest"]);
  EXPECT_THAT(Read(BlobPath(one["layers"][0]["digest"])), HasSubstr("bbbbbbbb"));
  EXPECT_THAT(Read(BlobPath(one["layers"][1]["digest"])), Not(HasSubstr("the secret")));
}

TEST_F(SealTest, AllPlatformsOfAnIndexAreSealedAndTheIndexIsKept) {
  const auto seal = cli_.Run({"image", "seal", MakeIndex(), Sealed(), "--all-platforms", "--base",
                              Source("base"), "--kek", kek_, "--key-id", "kbs:///a/b/c", "--json"});
  ASSERT_EQ(seal.exit_code, 0) << seal.err;
  const json sealed = json::parse(seal.out);
  ASSERT_EQ(sealed["images"].size(), 2U) << "an attestation speaks of the image before";
  const json index = ReadJson(BlobPath(sealed["index_digest"]));
  for (const size_t i : {0U, 1U}) {
    const json& entry = index["manifests"][i];
    EXPECT_EQ(entry["digest"], sealed["images"][i]["manifest_digest"]);
    const std::string architecture = i == 0 ? "amd64" : "arm64";
    EXPECT_EQ(entry["platform"]["architecture"], architecture);
    EXPECT_EQ(entry["annotations"]["for"], architecture);
    const auto verify = cli_.Run(
        {"image", "verify", Sealed(), "--kek", kek_, "--platform", "linux/" + architecture});
    EXPECT_EQ(verify.exit_code, 0) << verify.err;
  }
  const auto one = cli_.Run({"image", "seal", Source("app"), "oci:" + Path("x") + ":y",
                             "--all-platforms", "--encrypt-layers", "none"});
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_THAT(one.err, HasSubstr("the name points to one image, not to an index"));
}

TEST_F(SealTest, IndexWithOneBadImageLeavesNoImage) {
  const std::string source = MakeIndex();
  const json inspected = json::parse(
      cli_.Run({"image", "inspect", source, "--platform", "linux/amd64", "--json"}).out);
  const std::string digest = inspected["layers"][1]["digest"];
  std::filesystem::resize_file(Path("layout/blobs/sha256/" + digest.substr(7)), 30);
  const auto seal =
      cli_.Run({"image", "seal", source, Sealed(), "--all-platforms", "--encrypt-layers", "none"});
  EXPECT_EQ(seal.exit_code, 1);
  EXPECT_THAT(seal.err, AllOf(HasSubstr("linux/amd64"), HasSubstr("layer 2 of 2")));
  EXPECT_EQ(cli_.Run({"image", "inspect", Sealed()}).exit_code, 1);
}

TEST_F(SealTest, ConvergentKeysGiveTheSameBlobToOneTenantOnly) {
  ASSERT_EQ(cli_.Run({"key", "create", Path("mine")}).exit_code, 0);
  ASSERT_EQ(cli_.Run({"key", "create", Path("theirs")}).exit_code, 0);
  const auto seal = [&](const std::string& name, const std::string& secret) {
    return SealApp("oci:" + Path(name) + ":app",
                   {"--key-mode", "convergent", "--convergent-secret", Path(secret)});
  };
  const json one = seal("sealed", "mine");
  const json two = seal("two", "mine");
  const json other = seal("three", "theirs");
  EXPECT_EQ(one["layers"][1]["digest"], two["layers"][1]["digest"]);
  EXPECT_NE(one["layers"][1]["digest"], other["layers"][1]["digest"]);
  EXPECT_EQ(cli_.Run({"image", "verify", Sealed(), "--kek", kek_}).exit_code, 0);
  Write("short", "not a secret");
  const auto short_one =
      cli_.Run({"image", "seal", Source("app"), Sealed(), "--kek", kek_, "--key-id", "kbs:///a/b/c",
                "--key-mode", "convergent", "--convergent-secret", Path("short")});
  EXPECT_EQ(short_one.exit_code, 1);
  EXPECT_THAT(short_one.err, AllOf(HasSubstr("--convergent-secret"), HasSubstr("32 bytes")));
}

TEST_F(SealTest, CompressedLayersAreSmallerAndOpenToTheSameFiles) {
  const json plain = SealApp("oci:" + Path("plain") + ":app");
  const json packed = SealApp(Sealed(), {"--compress", "lz4"});
  EXPECT_LT(packed["layers"][0]["size"].get<uint64_t>(),
            plain["layers"][0]["size"].get<uint64_t>());
  EXPECT_EQ(cli_.Run({"image", "verify", Sealed(), "--kek", kek_}).exit_code, 0);
  const auto extract = [&](const std::string& image, const std::string& to) {
    const auto run = cli_.Run(
        {"image", "extract", image, Path(to), "--tmp", dir_.path().string(), "--kek", kek_});
    EXPECT_EQ(run.exit_code, 0) << run.err;
  };
  extract(Sealed(), "packed-tree");
  extract("oci:" + Path("plain") + ":app", "plain-tree");
  RunTool({"diff", "-r", "--no-dereference", Path("packed-tree"), Path("plain-tree")});
}

TEST_F(SealTest, VerifyOnlyImageNeedsNoKeys) {
  const auto seal =
      cli_.Run({"image", "seal", Source("app"), Sealed(), "--encrypt-layers", "none"});
  ASSERT_EQ(seal.exit_code, 0) << seal.err;
  EXPECT_THAT(seal.out, ::testing::MatchesRegex("sha256:[0-9a-f]{64}\n"));
  EXPECT_THAT(seal.err, HasSubstr("seal layer 2 of 2: verify-only"));
  EXPECT_EQ(cli_.Run({"image", "verify", Sealed()}).exit_code, 0);
}

TEST_F(SealTest, ChosenLayersAreEncrypted) {
  const auto seal = cli_.Run({"image", "seal", Source("app"), Sealed(), "--encrypt-layers", "0",
                              "--kek", kek_, "--key-id", "kbs:///a/b/c", "--json"});
  ASSERT_EQ(seal.exit_code, 0) << seal.err;
  const json sealed = json::parse(seal.out);
  EXPECT_TRUE(sealed["layers"][0]["encrypted"].get<bool>());
  EXPECT_FALSE(sealed["layers"][1]["encrypted"].get<bool>());
  const auto none = cli_.Run({"image", "seal", Source("app"), Sealed(), "--encrypt-layers", "2",
                              "--kek", kek_, "--key-id", "kbs:///a/b/c"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("an image that has 2 layers"));
}

TEST_F(SealTest, SealsArchives) {
  RunTool({"skopeo", "copy", "-q", Source("app"), "oci-archive:" + Path("app.oci.tar")});
  RunTool({"skopeo", "copy", "-q", Source("app"), "docker-archive:" + Path("app.docker.tar")});
  const std::vector<std::string> sources = {"oci-archive:" + Path("app.oci.tar"),
                                            "docker-archive:" + Path("app.docker.tar")};
  for (const auto& source : sources) {
    const auto seal = cli_.Run({"image", "seal", source, Sealed(), "--kek", kek_, "--key-id",
                                "kbs:///a/b/c", "--tmp", dir_.path().string()});
    EXPECT_EQ(seal.exit_code, 0) << source << seal.err;
    EXPECT_EQ(cli_.Run({"image", "verify", Sealed(), "--kek", kek_}).exit_code, 0) << source;
    EXPECT_FALSE(TemporaryFilesLeft()) << source;
  }
}

// crane's archives hold layers in gzip.
TEST_F(SealTest, SealsADockerArchiveOfCompressedLayersToTheSameLayers) {
  RunTool({"skopeo", "copy", "-q", Source("base"), "docker-archive:" + Path("plain.tar")});
  std::filesystem::create_directory(Path("unpacked"));
  RunTool({"tar", "-C", Path("unpacked"), "-xf", Path("plain.tar")});
  json manifest = ReadJson(Path("unpacked/manifest.json"));
  const std::string layer = manifest[0]["Layers"][0];
  RunTool({"gzip", "-n", Path("unpacked/" + layer)});
  manifest[0]["Layers"][0] = layer + ".gz";
  Write("unpacked/manifest.json", manifest.dump());
  RunTool({"tar", "-C", Path("unpacked"), "-cf", Path("gzip.tar"), "."});
  const auto layers_of = [&](const std::string& source) {
    const auto seal =
        cli_.Run({"image", "seal", source, Sealed(), "--encrypt-layers", "none", "--json"});
    EXPECT_EQ(seal.exit_code, 0) << seal.err;
    return json::parse(seal.out)["layers"];
  };
  EXPECT_EQ(layers_of("docker-archive:" + Path("gzip.tar")), layers_of(Source("base")));
}

TEST_F(SealTest, UnresolvableUserLeavesNoImage) {
  const auto seal =
      cli_.Run({"image", "seal", Source("lost"), Sealed(), "--encrypt-layers", "none"});
  EXPECT_EQ(seal.exit_code, 1);
  EXPECT_THAT(seal.err, AllOf(HasSubstr("resolve USER"), HasSubstr("nobody-knows"),
                              HasSubstr("numeric USER")));
  EXPECT_EQ(cli_.Run({"image", "inspect", Sealed()}).exit_code, 1);
}

TEST_F(SealTest, RefusesASealedSource) {
  SealApp(Sealed());
  const auto again =
      cli_.Run({"image", "seal", Sealed(), "oci:" + Path("x") + ":y", "--encrypt-layers", "none"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("the image is sealed already"));
}

TEST_F(SealTest, InterruptLeavesNoImageAndNoTemporaryFile) {
  cli_.Interrupt();
  // The signal waits for the thread that watches for it; the big layer gives it time, and if the
  // sealing wins, it is whole.
  const auto seal = cli_.Run({"image", "seal", Source("app"), Sealed(), "--encrypt-layers", "none",
                              "--tmp", dir_.path().string()});
  if (seal.exit_code != 0) {
    EXPECT_THAT(seal.err, HasSubstr("interrupted"));
    EXPECT_EQ(cli_.Run({"image", "inspect", Sealed()}).exit_code, 1);
  }
  EXPECT_FALSE(TemporaryFilesLeft());
}

TEST_F(SealTest, BaseAloneNeedsKeysOnlyIfSomethingIsLeftToEncrypt) {
  EXPECT_EQ(
      cli_.Run({"image", "seal", Source("base"), Sealed(), "--base", Source("base")}).exit_code, 0);
  const auto app = cli_.Run({"image", "seal", Source("app"), Sealed(), "--base", Source("base")});
  EXPECT_EQ(app.exit_code, 1);
  EXPECT_THAT(app.err, HasSubstr("encrypting a layer needs --kek and --key-id"));
}

TEST_F(SealTest, RefusesWrongUsage) {
  const std::string target = Sealed();
  const std::map<std::string, std::vector<std::string>> cases = {
      {"encrypting needs --kek and --key-id", {Source("app"), target}},
      {"--kek and --key-id need each other", {Source("app"), target, "--kek", kek_}},
      {"--key-id: ", {Source("app"), target, "--kek", kek_, "--key-id", "kbs:///a/b"}},
      {"--all-platforms cannot be used with --platform",
       {Source("app"), target, "--encrypt-layers", "none", "--all-platforms", "--platform",
        "linux/amd64"}},
      {"--key-mode 'weak'",
       {Source("app"), target, "--encrypt-layers", "none", "--key-mode", "weak"}},
      {"--compress 'zip': must be none or lz4",
       {Source("app"), target, "--encrypt-layers", "none", "--compress", "zip"}},
      {"--compress cannot be used with --key-mode convergent",
       {Source("app"), target, "--encrypt-layers", "none", "--key-mode", "convergent",
        "--convergent-secret", "x", "--compress", "lz4"}},
      {"--key-mode convergent and --convergent-secret need each other",
       {Source("app"), target, "--encrypt-layers", "none", "--key-mode", "convergent"}},
      {"--encrypt-layers none encrypts nothing",
       {Source("app"), target, "--encrypt-layers", "none", "--kek", kek_, "--key-id",
        "kbs:///a/b/c"}},
      {"leave out --kek and --key-mode",
       {Source("app"), target, "--encrypt-layers", "none", "--key-mode", "convergent",
        "--convergent-secret", "x"}},
      {"--encrypt-layers: 'some'", {Source("app"), target, "--encrypt-layers", "some"}},
      {"has no tag: write oci:DIR:TAG",
       {Source("app"), "oci:" + Path("x"), "--encrypt-layers", "none"}},
      {"SOURCE: ", {"Not A Reference", target, "--encrypt-layers", "none"}},
      {"--platform: ", {Source("app"), target, "--encrypt-layers", "none", "--platform", "linux"}},
      {"TARGET is required", {Source("app")}}};
  for (const auto& [reason, arguments] : cases) {
    std::vector<std::string> all = {"image", "seal"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto seal = cli_.Run(all);
    EXPECT_EQ(seal.exit_code, 2) << reason;
    EXPECT_THAT(seal.err, HasSubstr(reason));
  }
}

// Where there is no index there is no choice, and another platform than asked for is no answer.
TEST_F(SealTest, AnImageOfAnotherPlatformThanAskedForIsRefused) {
  const std::string here =
      json::parse(cli_.Run({"image", "inspect", Source("app"), "--json"}).out).at("platform");
  const std::vector<std::vector<std::string>> commands = {
      {"seal", Source("app"), Sealed(), "--encrypt-layers", "none"},
      {"inspect", Source("app")},
      {"measure", Source("app")},
      {"extract", Source("app"), Path("out"), "--rootless"},
      {"diff", Source("app"), Source("base")},
      {"copy", Source("app"), Sealed()}};
  for (auto command : commands) {
    command.insert(command.begin(), "image");
    command.insert(command.end(), {"--platform", "linux/s390x"});
    const auto refused = cli_.Run(command);
    EXPECT_EQ(refused.exit_code, 1) << command[1];
    EXPECT_THAT(refused.err, HasSubstr("is an image for " + here + ", not for linux/s390x"));
    EXPECT_FALSE(std::filesystem::exists(Path("sealed"))) << command[1];
  }
  EXPECT_EQ(cli_.Run({"image", "inspect", Source("app"), "--platform", here}).exit_code, 0);
}

TEST_F(SealTest, NamesWhatIsMissing) {
  const std::map<std::string, std::vector<std::string>> cases = {
      {Path("none"), {"image", "inspect", "oci:" + Path("none") + ":x"}},
      {"nothere", {"image", "inspect", Source("nothere")}},
      {Path("nokek"), {"image", "verify", Source("app"), "--kek", Path("nokek")}},
      {Path("nocreds"), {"image", "inspect", Source("app"), "--creds-file", Path("nocreds")}},
      {"the image is not sealed", {"image", "verify", Source("app")}},
      {"127.0.0.1:1", {"image", "inspect", "127.0.0.1:1/app:1", "--hosts-dir", Path("hosts")}}};
  for (const auto& [reason, arguments] : cases) {
    const auto done = cli_.Run(arguments);
    EXPECT_EQ(done.exit_code, 1) << reason;
    EXPECT_THAT(done.err, HasSubstr(reason));
  }
}

TEST_F(SealTest, ABrokenCredentialsFileIsNothingToAnImageOnDisk) {
  for (const char* broken : {"{", R"({"auths":{"r.example":{"auth":"!!"}}})"}) {
    const auto file = Write("broken.json", broken);
    const auto done = cli_.Run({"image", "inspect", Source("app"), "--creds-file", file});
    EXPECT_EQ(done.exit_code, 0) << done.err;
  }
}

using VerifyTest = ImageTest;

TEST_F(VerifyTest, WrongKekOpensNoPacket) {
  SealApp(Sealed());
  ASSERT_EQ(cli_.Run({"key", "create", Path("other")}).exit_code, 0);
  const auto verify = cli_.Run({"image", "verify", Sealed(), "--kek", Path("other")});
  EXPECT_EQ(verify.exit_code, 1);
  EXPECT_THAT(verify.err, AllOf(HasSubstr("layer 1 (sha256:"), HasSubstr("open its key packet")));
}

TEST_F(VerifyTest, ChangedAndTruncatedBlobsAreRefusedByName) {
  const json sealed = SealApp(Sealed());
  for (const size_t i : {0U, 1U}) {
    const std::string digest = sealed["layers"][i]["digest"];
    const std::string good = Read(BlobPath(digest));
    FlipByte(BlobPath(digest), 5000);
    auto verify = cli_.Run({"image", "verify", Sealed()});
    EXPECT_EQ(verify.exit_code, 1);
    EXPECT_THAT(verify.err, AllOf(HasSubstr(digest), HasSubstr("fetch"))) << i;
    std::filesystem::resize_file(BlobPath(digest), good.size() - 1);
    verify = cli_.Run({"image", "verify", Sealed()});
    EXPECT_EQ(verify.exit_code, 1);
    EXPECT_THAT(verify.err, HasSubstr(digest)) << i;
    std::ofstream(BlobPath(digest), std::ios::binary) << good;
  }
  EXPECT_EQ(cli_.Run({"image", "verify", Sealed()}).exit_code, 0);
}

TEST_F(VerifyTest, RulesOfTheFormatAreChecked) {
  const json sealed = SealApp(Sealed());
  // A manifest with another root hash, its index entry pointing to it: digests all fit.
  const std::string digest = sealed["manifest_digest"];
  json manifest = json::parse(Read(BlobPath(digest)));
  manifest["layers"][0]["annotations"]["dev.locket.verity.root-hash"] = std::string(64, '0');
  const std::string bytes = manifest.dump();
  Write("manifest", bytes);
  const auto sum = RunCommand({"sha256sum", Path("manifest")});
  const std::string hex = sum->standard_output.substr(0, 64);
  Write("sealed/blobs/sha256/" + hex, bytes);
  json index = json::parse(Read(Path("sealed/index.json")));
  index["manifests"][0]["digest"] = "sha256:" + hex;
  index["manifests"][0]["size"] = bytes.size();
  Write("sealed/index.json", index.dump());
  const auto verify = cli_.Run({"image", "verify", Sealed()});
  EXPECT_EQ(verify.exit_code, 1);
  EXPECT_THAT(verify.err, HasSubstr("dm-verity"));
}

TEST_F(VerifyTest, DamagedSourceLayerIsRefused) {
  RunTool({"cp", "-r", LayoutPath(), Path("copy")});
  const std::string copy = "oci:" + Path("copy") + ":app";
  const json inspected = json::parse(cli_.Run({"image", "inspect", copy, "--json"}).out);
  const std::string digest = inspected["layers"][0]["digest"];
  FlipByte(Path("copy/blobs/sha256/" + digest.substr(7)), 100);
  const auto seal = cli_.Run(
      {"image", "seal", copy, Sealed(), "--encrypt-layers", "none", "--tmp", dir_.path().string()});
  EXPECT_EQ(seal.exit_code, 1);
  EXPECT_THAT(seal.err, HasSubstr("layer 1 of 2"));
  EXPECT_FALSE(TemporaryFilesLeft());
}

}  // namespace
}  // namespace locket::cli
