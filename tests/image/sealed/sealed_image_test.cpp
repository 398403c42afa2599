#include "image/sealed/sealed_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "image/oci/media_type.h"
#include "image/sealed/key_packet.h"

namespace locket::image {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kDataSize = 8192;

std::string SomePacket() {
  return EncodeKeyPacket({.kid = {.repository = "r", .type = "t", .tag = "k"},
                          .iv = {},
                          .wrapped_data = std::vector<std::byte>(40)});
}

SealedLayerInfo SomeInfo(bool encrypted) {
  SealedLayerInfo info{
      .identity = {.root_hash = {std::byte{1}}, .salt = {std::byte{2}}, .data_size = kDataSize}};
  if (encrypted) info.key_packet = SomePacket();
  return info;
}

struct Image {
  Manifest manifest;
  ImageConfig config;
};

Image SomeImage() {
  const auto plain = *SealedLayerDescriptor(SomeInfo(false), Digest::Of("plain"));
  const auto secret = *SealedLayerDescriptor(SomeInfo(true), Digest::Of("secret"));
  return {.manifest = {.media_type = std::string(kOciManifest),
                       .config = DescriptorOf(kOciConfig, "{}"),
                       .layers = {plain, secret},
                       .annotations = {{"dev.locket.version", "1"}}},
          .config = {.architecture = "amd64",
                     .os = "linux",
                     .diff_ids = {plain.digest, secret.digest},
                     .user = "0:0"}};
}

TEST(SealedLayerInfoTest, RoundTripsThroughAnnotations) {
  for (const bool encrypted : {false, true}) {
    const auto info = SomeInfo(encrypted);
    const auto parsed = ParseSealedLayerInfo(*SealedLayerDescriptor(info, Digest::Of("x")));
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_EQ(parsed->identity.root_hash, info.identity.root_hash);
    EXPECT_EQ(parsed->identity.salt, info.identity.salt);
    EXPECT_EQ(parsed->identity.data_size, kDataSize);
    EXPECT_EQ(parsed->key_packet, info.key_packet);
    EXPECT_EQ(parsed->encrypted(), encrypted);
  }
}

TEST(SealedLayerInfoTest, EachAnnotationIsRequired) {
  const auto layer = *SealedLayerDescriptor(SomeInfo(true), Digest::Of("x"));
  ASSERT_EQ(layer.annotations.size(), 5U);
  for (const auto& [name, value] : layer.annotations) {
    auto without = layer;
    without.annotations.erase(name);
    const auto parsed = ParseSealedLayerInfo(without);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_THAT(parsed.error().message(), HasSubstr(name));
    EXPECT_THAT(parsed.error().message(), HasSubstr("missing"));
  }
}

TEST(SealedLayerInfoTest, RefusesValuesOutOfForm) {
  struct Case {
    std::string name;
    std::string value;
    std::string why;
  };
  const Case cases[] = {{"dev.locket.format", "2", "not known here"},
                        {"dev.locket.verity.root-hash", std::string(64, 'A'), "lower-case"},
                        {"dev.locket.verity.salt", std::string(62, 'a'), "64 lower-case"},
                        {"dev.locket.verity.data-size", "08192", "not a decimal"},
                        {"dev.locket.verity.data-size", "-1", "not a decimal"},
                        {"dev.locket.verity.data-size", "8193", "data-size"},
                        {"dev.locket.verity.data-size", "0", "data-size"},
                        {"dev.locket.verity.data-size", "12288", "blob"},
                        {std::string(kKeyPacketAnnotation), "!", "base64"}};
  for (const auto& [name, value, why] : cases) {
    auto layer = *SealedLayerDescriptor(SomeInfo(true), Digest::Of("x"));
    layer.annotations[name] = value;
    const auto parsed = ParseSealedLayerInfo(layer);
    ASSERT_FALSE(parsed.ok()) << name << "=" << value;
    EXPECT_THAT(parsed.error().message(), HasSubstr(why)) << name << "=" << value;
  }
}

TEST(SealedLayerInfoTest, KeyPacketAndMediaTypeGoTogether) {
  auto layer = *SealedLayerDescriptor(SomeInfo(true), Digest::Of("x"));
  layer.media_type = kSealedLayer;
  EXPECT_THAT(ParseSealedLayerInfo(layer).error().message(), HasSubstr("not encrypted"));
  layer.media_type = kOciLayerGzip;
  EXPECT_THAT(ParseSealedLayerInfo(layer).error().message(), HasSubstr("not that of a sealed"));
}

TEST(CheckSealedImageTest, AcceptsASoundImage) {
  const auto image = SomeImage();
  const auto layers = CheckSealedImage(image.manifest, image.config);
  ASSERT_TRUE(layers.ok()) << layers.error().message();
  ASSERT_EQ(layers->size(), 2U);
  EXPECT_FALSE(layers->at(0).encrypted());
  EXPECT_TRUE(layers->at(1).encrypted());
  EXPECT_TRUE(ClaimsToBeSealed(image.manifest));
}

TEST(CheckSealedImageTest, RefusesEachBrokenRule) {
  struct Case {
    std::string why;
    void (*breaks)(Image&);
  };
  const Case cases[] = {
      {"no annotation 'dev.locket.version'", [](Image& i) { i.manifest.annotations.clear(); }},
      {"version '2'", [](Image& i) { i.manifest.annotations["dev.locket.version"] = "2"; }},
      {"not an OCI manifest", [](Image& i) { i.manifest.media_type = kDockerManifest; }},
      {"not an OCI config", [](Image& i) { i.manifest.config.media_type = kDockerConfig; }},
      {"no layers", [](Image& i) { i.manifest.layers.clear(); }},
      {"1 diff IDs for the manifest's 2", [](Image& i) { i.config.diff_ids.pop_back(); }},
      {"layer 1: its diff ID", [](Image& i) { i.config.diff_ids[1] = Digest::Of("other"); }},
      {"layer 0: its diff ID",
       [](Image& i) { std::swap(i.config.diff_ids[0], i.config.diff_ids[1]); }},
      {"layer 1: media type", [](Image& i) { i.manifest.layers[1].media_type = kOciLayerGzip; }},
      {"user ''", [](Image& i) { i.config.user.clear(); }},
      {"user 'www-data'", [](Image& i) { i.config.user = "www-data"; }},
      {"user '00:0'", [](Image& i) { i.config.user = "00:0"; }}};
  for (const auto& [why, breaks] : cases) {
    auto image = SomeImage();
    breaks(image);
    const auto layers = CheckSealedImage(image.manifest, image.config);
    ASSERT_FALSE(layers.ok()) << why;
    EXPECT_THAT(layers.error().message(), HasSubstr(why));
  }
}

TEST(ClaimsToBeSealedTest, AnOrdinaryImageDoesNot) {
  auto image = SomeImage();
  image.manifest.annotations.clear();
  EXPECT_TRUE(ClaimsToBeSealed(image.manifest)) << "its layers still do";
  for (auto& layer : image.manifest.layers) layer.media_type = kOciLayerGzip;
  EXPECT_FALSE(ClaimsToBeSealed(image.manifest));
}

}  // namespace
}  // namespace locket::image
