#include "image/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/media_type.h"

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
      {Replaced(good, R"("schemaVersion":2)", R"("schemaVersion":1)"), "not 2"},
      {Replaced(good, R"("schemaVersion":2)", R"("schemaVersion":"2")"), "whole number"},
      {Replaced(good, R"("size":2)", R"("size":-2)"), "'layers[0].size'"},
      {Replaced(good, R"("size":2)", R"("size":1e3)"), "'layers[0].size'"},
      {Replaced(good, R"("size":2)", R"("size":9223372036854775808)"), "too large"},
      {Replaced(good, R"("size":1})", R"("size":1,"size":2})"), "stands twice"},
      {Replaced(good, kDigestB, "sha256:0"), "'layers[0].digest'"},
      {Replaced(good, R"({"x":"y"})", R"({"x":1})"), "value of 'x' is not text"},
      {Replaced(good, R"("layers":)", R"("manifests":[],"layers":)"),
       "both a manifest and an index"},
      {Replaced(good, "manifest.v1", "index.v1"), "does not go with"},
      {Replaced(good, R"("subject")",
                R"("s":)" + std::string(40, '[') + std::string(40, ']') + R"(,"subject")"),
       "nested too deeply"},
      {Replaced(good, R"("y")", "\"\xff\""), "not JSON"},
      {R"({"schemaVersion":2,"config":7,"layers":[]})", "'config': not an object"},
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
              HasSubstr("larger than"));
}

TEST(IndexTest, SelectsThePlatform) {
  const auto entry = [](const std::string& digest, const std::string& platform) {
    return R"({"digest":")" + digest +
           R"(","mediaType":"application/vnd.oci.image.manifest.v1+json",)" +
           (platform.empty() ? "" : R"("platform":)" + platform + ",") + R"("size":1})";
  };
  const std::string text =
      R"({"manifests":[)" +
      entry(kDigestA, R"({"architecture":"arm64","os":"linux","os.version":"1"})") + "," +
      entry(kDigestB, R"({"architecture":"amd64","os":"linux"})") +
      R"(],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2})";
  const auto index = DecodeIndex(text);
  ASSERT_TRUE(index.ok()) << index.error().message();
  EXPECT_EQ(EncodeIndex(*index), text);
  EXPECT_EQ(SelectPlatform(*index, {.architecture = "amd64", .os = "linux"})->digest.ToText(),
            kDigestB);
  EXPECT_THAT(SelectPlatform(*index, {.architecture = "s390x", .os = "linux"}).error().message(),
              HasSubstr("there are: linux/arm64, linux/amd64"));
  const auto bare = DecodeIndex(R"({"schemaVersion":2,"manifests":[)" + entry(kDigestA, "") + "]}");
  EXPECT_EQ(SelectPlatform(*bare, HostPlatform())->digest.ToText(), kDigestA)
      << "no platform fits any";
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
  for (const auto type :
       {kOciLayerTar, kOciLayerGzip, kOciLayerZstd, kDockerLayerTar, kDockerLayerGzip}) {
    EXPECT_TRUE(IsTarLayer(type)) << type;
    EXPECT_FALSE(IsTarLayer(std::string(type) + "+encrypted")) << type;
  }
  EXPECT_FALSE(IsTarLayer(kDockerForeignGzip));
}

}  // namespace
}  // namespace locket::image
