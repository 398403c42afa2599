// A layout with one image, as OpenLayoutTarget writes it, for the tests of image/local.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"
#include "image/local/local_image.h"
#include "image/oci/media_type.h"

namespace locket::image {

inline const std::string kLayer(300'000, 'L');

inline std::string RunTool(const std::vector<std::string>& argv) {
  const auto output = RunCommand(argv);
  EXPECT_TRUE(output.ok()) << (output.ok() ? "" : output.error().message());
  if (!output.ok()) return {};
  EXPECT_EQ(output->exit_status, 0) << argv[0] << ": " << output->standard_error;
  return output->standard_output;
}

inline void Write(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

// A layout with one image, written by OpenLayoutTarget, in a directory of its own.
class LayoutFixture : public ::testing::Test {
 protected:
  LayoutFixture() {
    manifest_.layers.push_back({.media_type = std::string(kOciLayerTar),
                                .digest = Digest::Of(kLayer),
                                .size = kLayer.size()});
    config_ = EncodeImageConfig(
        {.architecture = "amd64", .os = "linux", .diff_ids = {Digest::Of(kLayer)}});
    manifest_.config = DescriptorOf(kOciConfig, config_);
  }

  Status WriteLayout(const std::string& tag) {
    LOCKET_TRY_ASSIGN(const auto target, OpenLayoutTarget(layout(), tag));
    LOCKET_TRY(target->PutBlobBytes(manifest_.layers[0], kLayer));
    LOCKET_TRY(target->PutBlobBytes(manifest_.config, config_));
    LOCKET_TRY(target->PutManifest(kOciManifest, EncodeManifest(manifest_)));
    return Ok();
  }

  Result<std::unique_ptr<ImageSource>> Open(const std::string& text) {
    LOCKET_TRY_ASSIGN(const auto location, ParseImageLocation(text));
    return OpenLocalSource(location, {.platform = {.architecture = "amd64", .os = "linux"},
                                      .temporary_directory = directory_.path()});
  }

  void ExpectWhole(const std::string& text) {
    const auto source = Open(text);
    ASSERT_TRUE(source.ok()) << source.error().message();
    const auto content = (*source)->GetManifest();
    ASSERT_TRUE(content.ok()) << content.error().message();
    EXPECT_EQ(Digest::Of(content->bytes), content->descriptor.digest);
    const auto manifest = DecodeManifest(content->bytes);
    ASSERT_TRUE(manifest.ok());
    EXPECT_EQ(*ReadBlob(**source, manifest->config, kMaxConfigBytes), config_);
    const auto layer = ReadBlob(**source, manifest->layers.at(0), kLayer.size());
    ASSERT_TRUE(layer.ok()) << layer.error().message();
    EXPECT_EQ(*layer, kLayer);
  }

  std::filesystem::path layout() const { return directory_.path() / "layout"; }
  std::string At() const { return "oci:" + layout().string(); }

  TempDir directory_ = *TempDir::Create("/tmp", "local-image-test.");
  std::string config_;
  Manifest manifest_{.media_type = std::string(kOciManifest),
                     .config = DescriptorOf(kOciConfig, "{}"),
                     .layers = {}};
};

}  // namespace locket::image
