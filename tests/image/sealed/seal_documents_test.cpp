#include "image/sealed/seal_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/oci/media_type.h"
#include "image/sealed/sealed_image.h"

namespace locket::image {
namespace {

using ::testing::HasSubstr;

Manifest OrdinaryManifest(size_t num_layers) {
  Manifest manifest{.media_type = std::string(kDockerManifest),
                    .config = DescriptorOf(kOciConfig, "{}"),
                    .layers = {},
                    .annotations = {{"made-by", "somebody"}},
                    .extra = R"({"subject":1})"};
  for (size_t i = 0; i < num_layers; ++i) {
    manifest.layers.push_back(DescriptorOf(kOciLayerGzip, std::to_string(i)));
  }
  return manifest;
}

ImageConfig OrdinaryConfig(size_t num_layers) {
  ImageConfig config{
      .architecture = "amd64", .os = "linux", .diff_ids = {}, .user = "demo", .env = {"A=1"}};
  for (size_t i = 0; i < num_layers; ++i) {
    config.diff_ids.push_back(Digest::Of("tar" + std::to_string(i)));
  }
  config.extra = R"({"history":[]})";
  return config;
}

std::vector<Descriptor> SealedLayers(size_t num_layers) {
  std::vector<Descriptor> layers;
  for (size_t i = 0; i < num_layers; ++i) {
    const SealedLayerInfo info{
        .identity = {.root_hash = {}, .salt = {}, .data_size = 4096 * (i + 1)}};
    layers.push_back(*SealedLayerDescriptor(info, Digest::Of("blob" + std::to_string(i))));
  }
  return layers;
}

TEST(SealDocumentsTest, AreASealedImageThatKeepsTheRest) {
  const auto layers = SealedLayers(2);
  const auto made =
      MakeSealedDocuments(OrdinaryManifest(2), OrdinaryConfig(2), layers, "1000:1001");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->manifest, DescriptorOf(kOciManifest, made->manifest_bytes));
  EXPECT_EQ(made->config, DescriptorOf(kOciConfig, made->config_bytes));
  const auto manifest = DecodeManifest(made->manifest_bytes);
  const auto config = DecodeImageConfig(made->config_bytes);
  ASSERT_TRUE(manifest.ok() && config.ok());
  EXPECT_TRUE(CheckSealedImage(*manifest, *config).ok());
  EXPECT_EQ(manifest->layers, layers);
  EXPECT_EQ(manifest->config, made->config);
  EXPECT_EQ(manifest->annotations.at("made-by"), "somebody");
  EXPECT_EQ(manifest->extra, R"({"subject":1})");
  EXPECT_EQ(config->user, "1000:1001");
  EXPECT_EQ(config->env, std::vector<std::string>{"A=1"});
  EXPECT_EQ(config->extra, R"({"history":[]})");
}

TEST(SealDocumentsTest, WhatWouldNotBeSoundIsRefused) {
  const auto named =
      MakeSealedDocuments(OrdinaryManifest(1), OrdinaryConfig(1), SealedLayers(1), "demo");
  ASSERT_FALSE(named.ok());
  EXPECT_THAT(named.error().message(), HasSubstr("check what was made"));
  EXPECT_THAT(named.error().message(), HasSubstr("'demo' is not 'uid:gid'"));
  const auto none = MakeSealedDocuments(OrdinaryManifest(1), OrdinaryConfig(1), {}, "0:0");
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), HasSubstr("no layers"));
}

TEST(SealDocumentsTest, AnImageThatNoGuestCouldMountIsRefused) {
  EXPECT_TRUE(CheckCanBeSealed(OrdinaryManifest(500), OrdinaryConfig(500)).ok());
  const auto refused = CheckCanBeSealed(OrdinaryManifest(501), OrdinaryConfig(501));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      refused.error().message(),
      "the image has 501 different layers, and a guest mounts at most 500: build it with fewer");
  ImageConfig repeated = OrdinaryConfig(501);
  repeated.diff_ids[500] = repeated.diff_ids[0];
  EXPECT_TRUE(CheckCanBeSealed(OrdinaryManifest(501), repeated).ok()) << "one layer twice";
}

TEST(SealDocumentsTest, OnlyImagesOfTarsCanBeSealed) {
  EXPECT_TRUE(CheckCanBeSealed(OrdinaryManifest(2), OrdinaryConfig(2)).ok());
  const auto refused = [](const Manifest& manifest, const ImageConfig& config) {
    const auto checked = CheckCanBeSealed(manifest, config);
    return checked.ok() ? "" : checked.error().message();
  };
  EXPECT_THAT(refused(OrdinaryManifest(0), OrdinaryConfig(0)), HasSubstr("no layers"));
  EXPECT_THAT(refused(OrdinaryManifest(2), OrdinaryConfig(1)),
              HasSubstr("the manifest has 2 layers, the config 1"));
  Manifest manifest = OrdinaryManifest(2);
  manifest.layers[1].media_type = "application/vnd.oci.image.layer.v1.tar+encrypted";
  EXPECT_THAT(refused(manifest, OrdinaryConfig(2)),
              HasSubstr("layer 1: media type 'application/vnd.oci.image.layer.v1.tar+encrypted'"));
  manifest.layers = SealedLayers(2);
  EXPECT_THAT(refused(manifest, OrdinaryConfig(2)), HasSubstr("sealed already"));
}

}  // namespace
}  // namespace locket::image
