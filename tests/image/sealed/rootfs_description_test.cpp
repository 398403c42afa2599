#include "image/sealed/rootfs_description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "image/oci/manifest.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

RootfsDescription Some() {
  return {.image_ref = "127.0.0.1:5000/app:1",
          .manifest_digest = Digest::Of("m"),
          .manifest_path = "/b/m",
          .config_digest = Digest::Of("c"),
          .config_path = "/b/c",
          .signature_paths = {"/b/s"},
          .layers = {{.digest = Digest::Of("l"),
                      .size = 123,
                      .media_type = std::string(kSealedLayer),
                      .path = "/b/l"}}};
}

TEST(RootfsDescriptionTest, RoundTrips) {
  const std::string text = EncodeRootfsDescription(Some());
  EXPECT_EQ(*DecodeRootfsDescription(text), Some());
  EXPECT_EQ(json::parse(text)["version"], 2);
}

TEST(RootfsDescriptionTest, RefusesWithTheReason) {
  struct Case {
    std::string pointer;
    json value;
    std::string why;
  };
  const Case cases[] = {{"/version", 1, "only 2 is known"},
                        {"/manifest_path", "b/m", "not an absolute path"},
                        {"/layers/0/path", "../l", "not an absolute path"},
                        {"/signature_paths/0", "s", "not an absolute path"},
                        {"/config_path", std::string("/a\0b", 4), "zero byte"},
                        {"/layers/0/size", -1, "whole number"},
                        {"/layers/0/digest", "md5:1", "not a digest"},
                        {"/layers/0/more", 1, "'layers[0].more': unknown"},
                        {"/more", 1, "'more': unknown"},
                        {"/layers", json::array(), "not a list with entries"}};
  for (const auto& [pointer, value, why] : cases) {
    json document = json::parse(EncodeRootfsDescription(Some()));
    document[json::json_pointer(pointer)] = value;
    const auto decoded = DecodeRootfsDescription(document.dump());
    ASSERT_FALSE(decoded.ok()) << pointer;
    EXPECT_THAT(decoded.error().message(), HasSubstr(why)) << pointer;
  }
}

TEST(RootfsDescriptionTest, BoundsLayersAndFile) {
  auto description = Some();
  description.layers.resize(kMaxLayers + 1, description.layers[0]);
  EXPECT_THAT(DecodeRootfsDescription(EncodeRootfsDescription(description)).error().message(),
              HasSubstr("more than 1024"));
  EXPECT_THAT(
      DecodeRootfsDescription(std::string(kMaxRootfsDescriptionBytes + 1, ' ')).error().message(),
      HasSubstr("above the limit"));
}

}  // namespace
}  // namespace locket::image
