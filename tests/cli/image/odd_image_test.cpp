// What people's registries hold beside plain images: artifacts, foreign layers, entries of indexes
// that only some tools know. Each command does its work, or says what is in the way.
#include <gmock/gmock.h>

#include "image/oci/digest.h"
#include "image/oci/media_type.h"
#include "tests/cli/image/sign_fixture.h"
#include "tests/erofs/tar_maker.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class OddImageTest : public SignTest {
 protected:
  OddImageTest() {
    Write("layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    SetIndex({});
  }

  json Put(std::string_view media_type, const std::string& bytes) const {
    const auto digest = image::Digest::Of(bytes);
    Write("layout/blobs/sha256/" + digest.Hex(), bytes);
    return {{"mediaType", media_type}, {"digest", digest.ToText()}, {"size", bytes.size()}};
  }
  json Artifact() const {
    return Put(image::kOciManifest, json{{"schemaVersion", 2},
                                         {"mediaType", image::kOciManifest},
                                         {"artifactType", "application/vnd.example"},
                                         {"config", Put(image::kEmptyConfig, "{}")},
                                         {"layers", {Put("text/plain", "hello")}}}
                                        .dump());
  }
  // An image of one file, called `architecture`.
  json Image(const std::string& architecture, const std::vector<json>& below = {},
             std::string_view layer_type = image::kOciLayerTar) const {
    const std::string tar = TarMaker().File(architecture, "x").Finish();
    json layers = below;
    layers.push_back(Put(layer_type, tar));
    json diff_ids = json::array();
    for (size_t i = 0; i < layers.size(); ++i) {
      diff_ids.push_back(image::Digest::Of(tar).ToText());
    }
    json entry = Put(
        image::kOciManifest,
        json{{"schemaVersion", 2},
             {"mediaType", image::kOciManifest},
             {"config",
              Put(image::kOciConfig, json{{"architecture", architecture},
                                          {"os", "linux"},
                                          {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
                                         .dump())},
             {"layers", layers}}
            .dump());
    return entry;
  }
  static json For(json entry, const std::string& architecture) {
    entry["platform"] = {{"os", "linux"}, {"architecture", architecture}};
    return entry;
  }
  json IndexOf(const std::vector<json>& entries) const {
    return Put(
        image::kOciIndex,
        json{{"schemaVersion", 2}, {"mediaType", image::kOciIndex}, {"manifests", entries}}.dump());
  }
  void SetIndex(const std::vector<json>& entries) const {
    Write("layout/index.json", json{{"schemaVersion", 2}, {"manifests", entries}}.dump());
  }
  // Makes `entry` the image `t` of the layout, and answers its name.
  std::string Named(json entry) const {
    entry["annotations"]["org.opencontainers.image.ref.name"] = "t";
    SetIndex({entry});
    return "oci:" + Path("layout") + ":t";
  }
  std::string Target() const { return "oci:" + Path("target") + ":t"; }
  // A manifest of this config in the layout of sealed images, as an index entry.
  json PutSealed(std::string_view config_type) const {
    const std::string bytes = json{
        {"schemaVersion", 2},
        {"mediaType", image::kOciManifest},
        {"config", {{"mediaType", config_type}, {"digest", PutBlob("{}")}, {"size", 2}}},
        {"layers", json::array()}}.dump();
    return {{"mediaType", image::kOciManifest}, {"digest", PutBlob(bytes)}, {"size", bytes.size()}};
  }
  json TargetDocument(const std::string& digest) const {
    return ReadJson(Path("target/blobs/sha256/" + digest.substr(7)));
  }
  json TargetTop() const {
    return TargetDocument(ReadJson(Path("target/index.json"))["manifests"][0]["digest"]);
  }
};

TEST_F(OddImageTest, AnArtifactIsCopiedSignedAndVerified) {
  const std::string artifact = Named(Artifact());
  ASSERT_EQ(cli_.Run({"image", "copy", artifact, Target()}).exit_code, 0);
  ASSERT_EQ(Sign(Target(), "mine.pem").exit_code, 0);
  const auto verify = Verify(Target(), "mine.pub");
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  EXPECT_THAT(Verify(Target(), "other.pub").err, HasSubstr("signature(s), none of them valid"));
  // Each of its blobs is looked at.
  for (const char* content : {"hello", "{}"}) {
    const std::string path = "target/blobs/sha256/" + image::Digest::Of(content).Hex();
    Write(path, std::string(std::string_view(content).size(), '?'));
    const auto damaged = Verify(Target(), "mine.pub");
    EXPECT_EQ(damaged.exit_code, 1);
    EXPECT_THAT(damaged.err, HasSubstr("its content is sha256:")) << content;
    Write(path, content);
  }
}

TEST_F(OddImageTest, AnArtifactIsDescribedAndHasNoFileSystem) {
  const std::string artifact = Named(Artifact());
  const auto inspect = cli_.Run({"image", "inspect", artifact});
  EXPECT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_THAT(inspect.out, AllOf(HasSubstr("application/vnd.example"), HasSubstr("text/plain")));
  const json described = json::parse(cli_.Run({"image", "inspect", artifact, "--json"}).out);
  EXPECT_EQ(described["artifact_type"], "application/vnd.example");
  EXPECT_EQ(described["sealed"], false);
  EXPECT_EQ(described["layers"][0]["media_type"], "text/plain");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"image", "extract", artifact, Path("out"), "--rootless"},
        {"image", "seal", artifact, Target(), "--encrypt-layers", "none"},
        {"image", "measure", artifact},
        {"image", "copy", artifact, Target(), "--platform", "linux/amd64"}}) {
    const auto run = cli_.Run(command);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.err, HasSubstr("it is an artifact, not an image: its config is "
                                   "'application/vnd.oci.empty.v1+json'"))
        << command[1];
  }
}

TEST_F(OddImageTest, AllImagesOfAnIndexAreSealedAndNothingElse) {
  json attestation = Artifact();
  attestation["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  const json sha512 = {{"mediaType", image::kOciManifest},
                       {"digest", "sha512:" + std::string(128, 'a')},
                       {"size", 3}};
  json amd64 = For(Image("amd64"), "amd64");
  amd64["data"] = "b2xk";
  amd64["annotations"] = {{"kept", "yes"}};
  const std::string source =
      Named(IndexOf({Artifact(), attestation, sha512, amd64, IndexOf({Image("arm64")}),
                     json{{"mediaType", "application/vnd.example"},
                          {"digest", image::Digest::Of("x").ToText()},
                          {"size", 1}}}));
  const auto seal = cli_.Run({"image", "seal", source, Target(), "--encrypt-layers", "none",
                              "--all-platforms", "--json", "--tmp", dir_.path().string()});
  ASSERT_EQ(seal.exit_code, 0) << seal.err;
  const json images = json::parse(seal.out)["images"];
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images[0]["platform"], "linux/amd64");
  EXPECT_EQ(images[1]["platform"], "linux/arm64");
  const json entries = TargetTop()["manifests"];
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0]["annotations"]["kept"], "yes");
  EXPECT_FALSE(entries[0].contains("data")) << "it was the other manifest's";
  EXPECT_EQ(entries[0]["digest"], images[0]["manifest_digest"]);
  for (const char* platform : {"linux/amd64", "linux/arm64"}) {
    const auto verify = cli_.Run({"image", "verify", Target(), "--platform", platform});
    EXPECT_EQ(verify.exit_code, 0) << verify.err;
  }
  EXPECT_THAT(cli_.Run({"image", "inspect", source, "--platform", "linux/s390x"}).err,
              HasSubstr("no image for linux/s390x; there are: linux/amd64, linux/arm64"));
  SetIndex({});
  const auto none = cli_.Run({"image", "seal", Named(IndexOf({Artifact()})), Target(),
                              "--encrypt-layers", "none", "--all-platforms"});
  EXPECT_THAT(none.err, HasSubstr("the index has no images"));
}

TEST_F(OddImageTest, AnIndexIsCopiedWithWhatIsUnknownInIt) {
  json unknown = Put("application/vnd.example.unknown", "anything");
  const std::string source = Named(
      IndexOf({For(Image("amd64"), "amd64"), Artifact(), unknown, IndexOf({Image("arm64")})}));
  ASSERT_EQ(cli_.Run({"image", "copy", source, Target()}).exit_code, 0);
  EXPECT_EQ(Read(Path("target/blobs/sha256/" + image::Digest::Of("anything").Hex())), "anything");
  ASSERT_EQ(Sign(Target(), "mine.pem").exit_code, 0);
  EXPECT_EQ(Verify(Target(), "mine.pub").exit_code, 0);
  // An index vouches for what is in an index in it.
  const json nested = TargetTop()["manifests"][3];
  const std::string arm64 = TargetDocument(nested["digest"])["manifests"][0]["digest"];
  json index = ReadJson(Path("target/index.json"));
  for (size_t i = 0; i < index["manifests"].size(); ++i) {
    const json& name = index["manifests"][i]["annotations"]["org.opencontainers.image.ref.name"];
    if (name == "sha256-" + arm64.substr(7) + ".sig") index["manifests"].erase(i);
  }
  Write("target/index.json", index.dump());
  const auto verify = cli_.Run(
      {"image", "verify", Target(), "--platform", "linux/arm64", "--signed-by", Path("mine.pub")});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
}

TEST_F(OddImageTest, WhatCannotBeCopiedIsNamedWithTheWayOut) {
  const json sha512 = {{"mediaType", image::kOciManifest},
                       {"digest", "sha512:" + std::string(128, 'a')},
                       {"size", 3}};
  const std::string source = Named(IndexOf({sha512, For(Image("amd64"), "amd64")}));
  const auto whole = cli_.Run({"image", "copy", source, Target()});
  EXPECT_EQ(whole.exit_code, 1);
  EXPECT_THAT(whole.err, AllOf(HasSubstr("a sha512 digest, and only 'sha256:' is known here"),
                               HasSubstr("--platform copies one image of it")));
  const auto one = cli_.Run({"image", "copy", source, Target(), "--platform", "linux/amd64"});
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(Sign(source, "mine.pem").exit_code, 0);
  EXPECT_EQ(cli_.Run({"image", "inspect", source, "--platform", "linux/amd64"}).exit_code, 0);
}

TEST_F(OddImageTest, ForeignLayersStayWhereTheyAre) {
  for (const std::string type : {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                 "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"}) {
    const json foreign = {{"mediaType", type},
                          {"digest", image::Digest::Of("far").ToText()},
                          {"size", 99},
                          {"urls", {"https://far.example/layer"}}};
    const std::string source = Named(Image("amd64", {foreign}));
    const auto copy = cli_.Run({"image", "copy", source, Target(), "--json"});
    ASSERT_EQ(copy.exit_code, 0) << copy.err;
    EXPECT_EQ(json::parse(copy.out)["blobs_left_out"], 1);
    EXPECT_EQ(json::parse(copy.out)["blobs"], 2);
    EXPECT_THAT(copy.err, HasSubstr("1 foreign layers left out"));
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"image", "extract", source, Path("out"), "--rootless"},
          {"image", "seal", source, Target(), "--encrypt-layers", "none"},
          {"image", "measure", source}}) {
      const auto run = cli_.Run(command);
      EXPECT_EQ(run.exit_code, 1);
      EXPECT_THAT(run.err, AllOf(HasSubstr("layer 0"), HasSubstr("a foreign layer ('" + type),
                                 HasSubstr("build the image on a base without such layers")))
          << command[1];
    }
    ASSERT_EQ(Sign(source, "mine.pem").exit_code, 0);
    EXPECT_THAT(Verify(source, "mine.pub").err,
                HasSubstr("a foreign layer, which the source does not have to have"));
  }
}

TEST_F(OddImageTest, DockersZstdLayersAreRead) {
  const std::string tar = TarMaker().File("amd64", "x").Finish();
  Write("tar", tar);
  RunTool({"zstd", "-qf", Path("tar"), "-o", Path("tar.zst")});
  json layer = Put(image::kDockerLayerZstd, Read(Path("tar.zst")));
  const json plain = Image("amd64");
  json manifest =
      ReadJson(Path("layout/blobs/sha256/" + plain["digest"].get<std::string>().substr(7)));
  manifest["mediaType"] = image::kDockerManifest;
  manifest["config"]["mediaType"] = image::kDockerConfig;
  manifest["layers"] = {layer};
  const std::string source = Named(Put(image::kDockerManifest, manifest.dump()));
  const auto seal = cli_.Run({"image", "seal", source, Target(), "--encrypt-layers", "none"});
  EXPECT_EQ(seal.exit_code, 0) << seal.err;
  EXPECT_EQ(cli_.Run({"image", "verify", Target()}).exit_code, 0);
}

TEST_F(OddImageTest, ALayerThatStandsTwiceIsOneBlobAndTwoLayers) {
  const std::string tar = TarMaker().File("amd64", "x").Finish();
  const std::string source = Named(Image("amd64", {Put(image::kOciLayerTar, tar)}));
  const auto copy = cli_.Run({"image", "copy", source, Target(), "--json"});
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  EXPECT_EQ(json::parse(copy.out)["blobs"], 2) << "the config, and a layer that stands twice";
  const auto seal = cli_.Run({"image", "seal", source, "oci:" + Path("sealed") + ":t",
                              "--encrypt-layers", "none", "--json"});
  ASSERT_EQ(seal.exit_code, 0) << seal.err;
  EXPECT_EQ(json::parse(seal.out)["layers"].size(), 2U);
}

// What was rewritten is another document than the one that an index carries a copy of.
TEST_F(OddImageTest, ARewrittenIndexCarriesNoCopyOfWhatWasBefore) {
  const json sealed = SealApp(Sealed());
  EXPECT_EQ(cli_.Run({"key", "create", Path("new")}).exit_code, 0);
  json index = ReadJson(Path("sealed/index.json"));
  json entry = index["manifests"][0];
  entry.erase("annotations");
  entry["data"] = "b2xk";
  entry["urls"] = {"https://old.example"};
  entry["artifactType"] = "kept";
  // Beside it what a build leaves, which has no keys and stays as it is.
  const json artifact = PutSealed(image::kEmptyConfig);
  json attestation = PutSealed(image::kOciConfig);
  attestation["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  const json inner = {{"schemaVersion", 2},
                      {"mediaType", image::kOciIndex},
                      {"manifests", {entry, artifact, attestation}}};
  Name("index", std::string(image::kOciIndex), inner);
  const auto rotate =
      cli_.Run({"key", "rotate", "oci:" + Path("sealed") + ":index", Target(), "--old-kek", kek_,
                "--new-kek", Path("new"), "--key-id", "kbs:///team/key/two"});
  ASSERT_EQ(rotate.exit_code, 0) << rotate.err;
  const json now = TargetTop()["manifests"][0];
  EXPECT_NE(now["digest"], sealed["manifest_digest"]);
  EXPECT_FALSE(now.contains("data"));
  EXPECT_FALSE(now.contains("urls"));
  EXPECT_EQ(now["artifactType"], "kept");
  EXPECT_EQ(TargetTop()["manifests"][1], artifact);
  EXPECT_EQ(TargetTop()["manifests"][2], attestation);
}

// By umoci, whose fresh layout has no list.
TEST_F(OddImageTest, AFreshLayoutOfUmociIsATarget) {
  RunTool({"umoci", "init", "--layout", Path("target")});
  Write("target/index.json", R"({"schemaVersion":2,"manifests":null})");
  const auto copy = cli_.Run({"image", "copy", Source("app"), Target()});
  EXPECT_EQ(copy.exit_code, 0) << copy.err;
}

}  // namespace
}  // namespace locket::cli
