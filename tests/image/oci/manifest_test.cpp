#include "image/oci/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/oci/media_type.h"

namespace locket::image {
namespace {

using ::testing::HasSubstr;

const std::string kDigestA = Digest::Of("a").ToText();
const std::string kDigestB = Digest::Of("b").ToText();

std::string SomeManifest() {
  return R"({"annotations":{"k":"v"},"config":{"digest":")" + kDigestA +
         R"(","mediaType":"application/vnd.oci.image.config.v1+json","size":1},)"
         R"("layers":[{"annotations":{"x":"y"},"digest":")" +
         kDigestB +
         R"(","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":2,"urls":["u"]}],)"
         R"("mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,)"
         R"("subject":{"later":1}})";
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ManifestTest, EncodesBackToTheSameBytesWithUnknownFieldsKept) {
  const auto manifest = DecodeManifest(SomeManifest());
  ASSERT_TRUE(manifest.ok()) << manifest.error().message();
  EXPECT_EQ(manifest->layers[0].annotations.at("x"), "y");
  EXPECT_EQ(manifest->layers[0].extra, R"({"urls":["u"]})");
  EXPECT_EQ(manifest->extra, R"({"subject":{"later":1}})");
  EXPECT_EQ(EncodeManifest(*manifest), SomeManifest());
}

TEST(ManifestTest, RefusesWithTheReason) {
  const std::string good = SomeManifest();
  const std::pair<std::string, std::string> cases[] = {
      {"", "not JSON"},
      {"[]", "not a JSON object"},
      {good + "x", "not JSON"},
      {Replaced(good, R"("schemaVersion":2)", R"("schemaVersion":1)"), "schema 1"},
      {Replaced(good, R"("schemaVersion":2)", R"("schemaVersion":"2")"), "whole number"},
      {Replaced(good, R"("size":2)", R"("size":-2)"), "'layers[0].size'"},
      {Replaced(good, R"("size":2)", R"("size":1e3)"), "'layers[0].size'"},
      {Replaced(good, R"("size":2)", R"("size":9223372036854775808)"), "too large"},
      {Replaced(good, R"("size":1})", R"("size":1,"size":2})"), "'size' twice"},
      {Replaced(good, kDigestB, "sha256:0"), "'layers[0].digest'"},
      {Replaced(good, R"({"x":"y"})", R"({"x":1})"), "value of 'x' is not text"},
      {Replaced(good, R"("layers":)", R"("manifests":[],"layers":)"),
       "both a manifest and an index"},
      {Replaced(good, "manifest.v1", "index.v1"), "does not go with"},
      {Replaced(good, R"("subject")",
                R"("s":)" + std::string(40, '[') + std::string(40, ']') + R"(,"subject")"),
       "nested deeper than 32"},
      {Replaced(good, R"("y")", "\"\xff\""), "not JSON"},
      {Replaced(good, R"("schemaVersion":2)", R"("schemaVersion":3)"), "not 2"},
      {R"({"schemaVersion":2,"config":7,"layers":[]})", "'config': not an object"},
      {R"({"schemaVersion":2,"config":null,"layers":[]})", "'config': missing"},
      {Replaced(good, R"("layers":[)", R"("layers":[null,)"), "'layers[0]': not an object"},
      {Replaced(good, R"("layers":[)", R"("layers":7,"x":[)"), "'layers': not a list"},
      {R"({"schemaVersion":2})", "neither a manifest nor an index"}};
  for (const auto& [text, why] : cases) {
    const auto manifest = DecodeManifest(text);
    ASSERT_FALSE(manifest.ok()) << text;
    EXPECT_THAT(manifest.error().message(), HasSubstr(why)) << text;
  }
}

TEST(ManifestTest, BoundsLayersAndSize) {
  std::string layer = R"({"digest":")" + kDigestB + R"(","mediaType":"m","size":2})";
  std::string layers = layer;
  for (size_t i = 1; i <= kMaxLayers; ++i) layers += "," + layer;
  const std::string text =
      R"({"schemaVersion":2,"config":)" + layer + R"(,"layers":[)" + layers + "]}";
  EXPECT_THAT(DecodeManifest(text).error().message(), HasSubstr("more than 1024 entries"));
  EXPECT_THAT(DecodeManifest(std::string(kMaxManifestBytes + 1, ' ')).error().message(),
              HasSubstr("above the limit"));
}

TEST(ManifestTest, GoToolsWriteNullAndEmptyForWhatIsAbsent) {
  const std::string config = R"("config":{"digest":")" + kDigestA + R"(","size":1})";
  const std::string cases[] = {R"({"schemaVersion":2,)" + config + R"(,"layers":null})",
                               "{" + config + "}",
                               R"({"schemaVersion":0,"mediaType":"",)" + config + "}",
                               R"({"schemaVersion":null,"mediaType":null,"annotations":null,)" +
                                   config + R"(,"layers":[],"manifests":null})"};
  for (const auto& text : cases) {
    const auto manifest = DecodeManifest(text);
    ASSERT_TRUE(manifest.ok()) << text << ": " << manifest.error().message();
    EXPECT_TRUE(manifest->layers.empty());
    EXPECT_EQ(manifest->media_type, kOciManifest);
    EXPECT_EQ(*DetectMediaType(text), kOciManifest);
  }
}

TEST(ManifestTest, Schema1SaysSoAndTheWayOut) {
  for (const std::string text :
       {R"({"schemaVersion":1,"name":"a","fsLayers":[],"history":[],"signatures":[]})",
        R"({"schemaVersion":1})", R"({"schemaVersion":2,"fsLayers":[{"blobSum":"x"}]})"}) {
    for (const auto& error :
         {DetectMediaType(text).error(), DecodeManifest(text).error(), DecodeIndex(text).error()}) {
      EXPECT_THAT(error.message(), HasSubstr("Docker schema 1 manifest")) << text;
      EXPECT_THAT(error.message(), HasSubstr("push the image again with a current tool")) << text;
    }
  }
}

TEST(ManifestTest, AnIndexWithLayersIsTwoThingsAtOnce) {
  EXPECT_THAT(DecodeIndex(R"({"manifests":[],"layers":[]})").error().message(),
              HasSubstr("both a manifest and an index"));
}

TEST(DescriptorTest, WhatSpokeOfTheContentBeforeGoesWithIt) {
  Descriptor entry{.media_type = std::string(kDockerManifest),
                   .digest = Digest::Of("a"),
                   .size = 1,
                   .annotations = {{"k", "v"}},
                   .platform = HostPlatform(),
                   .extra = R"({"artifactType":"t","data":"YQ==","urls":["u"]})"};
  const Descriptor before = entry;
  Retarget(entry, DescriptorOf(kDockerManifest, "a"));
  EXPECT_EQ(entry, before) << "the same content keeps all";
  Retarget(entry, DescriptorOf(kOciManifest, "other"));
  Descriptor after = DescriptorOf(kOciManifest, "other");
  after.annotations = before.annotations;
  after.platform = before.platform;
  after.extra = R"({"artifactType":"t"})";
  EXPECT_EQ(entry, after);
}

TEST(IndexTest, AnEntryThatCannotBeReadIsKeptAndHarmsNoOther) {
  const std::string good = R"({"digest":")" + kDigestA + R"(","mediaType":"m","size":1})";
  const std::string sha512 = R"({"annotations":{"k":"v"},"digest":"sha512:)" +
                             std::string(128, 'a') + R"(","mediaType":"m","size":1})";
  const std::pair<std::string, std::string> odd[] = {
      {sha512, "'digest': a sha512 digest, and only 'sha256:' is known here"},
      {R"({"digest":"md5:0","size":1})", "'digest': not a digest"},
      {R"({"digest":")" + kDigestA + R"(","size":-1})", "'size': not a whole number"},
      {R"({"digest":")" + kDigestA + R"("})", "'size': missing"},
      {R"({"digest":")" + kDigestA + R"(","platform":"linux","size":1})", "'platform'"},
      {"7", "not an object"}};
  for (const auto& [entry, why] : odd) {
    const std::string text = R"({"manifests":[)" + good + "," + entry + "," + good +
                             R"(],"mediaType":"application/vnd.oci.image.index.v1+json",)"
                             R"("schemaVersion":2})";
    auto index = DecodeIndex(text);
    ASSERT_TRUE(index.ok()) << index.error().message();
    EXPECT_EQ(index->manifests.size(), 2U);
    ASSERT_EQ(index->unread.size(), 1U) << entry;
    EXPECT_THAT(index->unread[0].why, HasSubstr(why));
    EXPECT_EQ(EncodeIndex(*index), text) << "nothing is lost when it is rewritten";
    index->manifests.pop_back();
    EXPECT_THAT(EncodeIndex(*index), HasSubstr(good + "," + entry + "]"));
  }
  const auto index = DecodeIndex(R"({"manifests":[)" + sha512 + ",null," + good + "]}");
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(index->unread.at(0).annotations.at("k"), "v");
  EXPECT_EQ(index->manifests.size(), 1U) << "null is no entry";
}

TEST(IndexTest, PlatformsMayBeEmptyAndKeepWhatIsNotKnown) {
  const auto entry = [](const std::string& platform) {
    return R"({"digest":")" + kDigestA + R"(","mediaType":"m","platform":)" + platform +
           R"(,"size":1})";
  };
  const std::string text =
      R"({"manifests":[)" + entry("{}") + "," +
      entry(R"({"architecture":"arm64","os":"linux","os.features":["x"],"os.version":"1"})") +
      R"(],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2})";
  const auto index = DecodeIndex(text);
  ASSERT_TRUE(index.ok()) << index.error().message();
  EXPECT_EQ(EncodeIndex(*index), text);
  EXPECT_EQ(index->manifests.at(0).platform, (Platform{.architecture = "", .os = ""}));
  EXPECT_EQ(index->manifests.at(1).platform->os_features, std::vector<std::string>{"x"});
}

// `umoci init` writes it, as Go does with a list that nobody made.
TEST(IndexTest, NoListIsAnEmptyOne) {
  for (const std::string text : {R"({"schemaVersion":2,"manifests":null})",
                                 R"({"schemaVersion":2})", R"({"manifests":[]})"}) {
    const auto index = DecodeIndex(text);
    ASSERT_TRUE(index.ok()) << text << ": " << index.error().message();
    EXPECT_TRUE(index->manifests.empty());
  }
}

TEST(IndexTest, AManifestIsNone) {
  EXPECT_THAT(DecodeIndex(SomeManifest()).error().message(), HasSubstr("this is a manifest"));
  EXPECT_EQ(*DetectMediaType(SomeManifest()), kOciManifest);
}

TEST(ImageConfigTest, RoundTripsAndKeepsWhatItDoesNotKnow) {
  const std::string text =
      R"({"architecture":"amd64","config":{"Cmd":["c"],"Entrypoint":["e"],"Env":["A=1"],)"
      R"("ExposedPorts":{"80/tcp":{}},"Labels":{"l":"m"},"StopSignal":"SIGINT",)"
      R"("User":"0:0","WorkingDir":"/w"},)"
      R"("created":"2020-01-01T00:00:00Z","history":[{"created_by":"x"}],"os":"linux",)"
      R"("rootfs":{"diff_ids":[")" +
      kDigestA + R"("],"type":"layers"},"variant":"v2"})";
  const auto config = DecodeImageConfig(text);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->user, "0:0");
  EXPECT_EQ(config->entrypoint, std::vector<std::string>{"e"});
  EXPECT_EQ(config->diff_ids[0].ToText(), kDigestA);
  EXPECT_EQ(EncodeImageConfig(*config), text);
}

TEST(ImageConfigTest, NullInAListOfArgumentsIsAnEmptyOne) {
  const auto config =
      DecodeImageConfig(R"({"architecture":"a","os":"l","config":{"Cmd":["a",null]},)"
                        R"("rootfs":{"type":"layers","diff_ids":null}})");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->cmd, (std::vector<std::string>{"a", ""})) << "as containerd passes it on";
  EXPECT_TRUE(config->diff_ids.empty());
}

TEST(ImageConfigTest, NullIsAsGoodAsAbsent) {
  const auto config =
      DecodeImageConfig(R"({"architecture":"a","os":"l","config":{"Cmd":null,"User":null},)"
                        R"("rootfs":{"type":"layers","diff_ids":[]}})");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_TRUE(config->cmd.empty());
}

TEST(ImageConfigTest, RefusesWithTheReason) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"os":"l"})", "'architecture': missing"},
      {R"({"architecture":"a","os":"l"})", "'rootfs': missing"},
      {R"({"architecture":"a","os":"l","rootfs":{"type":"x","diff_ids":[]}})", "'rootfs.type'"},
      {R"({"architecture":"a","os":"l","rootfs":{"type":"layers","diff_ids":["x"]}})",
       "'rootfs.diff_ids[0]'"},
      {R"({"architecture":"a","os":"l","config":{"Env":[1]},)"
       R"("rootfs":{"type":"layers","diff_ids":[]}})",
       "'config.Env'"}};
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(DecodeImageConfig(text).error().message(), HasSubstr(why)) << text;
  }
}

TEST(ChainIdTest, IsTheSpecificationsRecursion) {
  const Digest a = Digest::Of("a");
  const Digest b = Digest::Of("b");
  const Digest ab = Digest::Of(a.ToText() + " " + b.ToText());
  EXPECT_EQ(ChainIds({}), std::vector<Digest>{});
  EXPECT_EQ(ChainIds({a, b, a}),
            (std::vector<Digest>{a, ab, Digest::Of(ab.ToText() + " " + a.ToText())}));
}

TEST(MediaTypeTest, PredicatesTellOurLayersFromOthers) {
  EXPECT_TRUE(IsSealedLayer(kSealedLayer));
  EXPECT_TRUE(IsSealedLayer(kSealedLayerEncrypted));
  EXPECT_TRUE(IsEncrypted(kSealedLayerEncrypted));
  EXPECT_FALSE(IsEncrypted(kSealedLayer));
  EXPECT_FALSE(IsTarLayer(kSealedLayer));
  for (const auto type : {kOciLayerTar, kOciLayerGzip, kOciLayerZstd, kDockerLayerTar,
                          kDockerLayerGzip, kDockerLayerZstd}) {
    EXPECT_TRUE(IsTarLayer(type)) << type;
    EXPECT_FALSE(IsTarLayer(std::string(type) + "+encrypted")) << type;
  }
  EXPECT_FALSE(IsTarLayer(kDockerForeignGzip));
}

TEST(MediaTypeTest, ForeignLayersAreTold) {
  for (const std::string type : {"application/vnd.docker.image.rootfs.foreign.diff.tar",
                                 "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                 "application/vnd.docker.image.rootfs.foreign.diff.tar.zstd",
                                 "application/vnd.oci.image.layer.nondistributable.v1.tar",
                                 "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                                 "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"}) {
    EXPECT_TRUE(IsNotDistributable(type)) << type;
    EXPECT_FALSE(IsTarLayer(type)) << type;
  }
  for (const auto type : {kOciLayerGzip, kDockerLayerGzip, kSealedLayer}) {
    EXPECT_FALSE(IsNotDistributable(type)) << type;
  }
}

TEST(MediaTypeTest, AConfigOfAnotherTypeIsAnArtifacts) {
  for (const std::string_view type :
       {kOciConfig, kDockerConfig, std::string_view("application/octet-stream"),
        std::string_view()}) {
    EXPECT_TRUE(IsConfig(type)) << type;
  }
  EXPECT_FALSE(IsConfig(kEmptyConfig));
  EXPECT_FALSE(IsConfig("application/vnd.cncf.helm.config.v1+json"));
}

}  // namespace
}  // namespace locket::image
