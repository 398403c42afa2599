#include "image/sealed/converted_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "image/sealed/sealed_image.h"

namespace locket::image {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

ConvertedLayer Some() {
  ConvertedLayer layer{.diff_id = Digest::Of("tar"),
                       .blob_digest = Digest::Of("blob"),
                       .identity = {.root_hash = Digest::Of("root").hash(),
                                    .salt = Digest::Of("salt").hash(),
                                    .data_size = 8192},
                       .accounts = {}};
  layer.accounts.passwd = {.content = std::string("root:x:0:0\n\xff\0", 13), .hides_lower = true};
  layer.accounts.group = {.hides_lower = true, .trouble = "its /etc/group is too large"};
  return layer;
}

TEST(ConvertedLayerTest, RoundTrips) {
  for (const bool with_accounts : {false, true}) {
    ConvertedLayer layer = Some();
    if (!with_accounts) layer.accounts = {};
    const auto decoded = DecodeConvertedLayer(EncodeConvertedLayer(layer));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message();
    EXPECT_EQ(*decoded, layer);
  }
}

TEST(ConvertedLayerTest, OneThatDependsOnOthersHasAKeyOfItsOwn) {
  ConvertedLayer layer = Some();
  layer.over = Digest::Of("below");
  EXPECT_EQ(*DecodeConvertedLayer(EncodeConvertedLayer(layer)), layer);
  EXPECT_EQ(RecordKey(layer.diff_id, std::nullopt), layer.diff_id);
  EXPECT_NE(RecordKey(layer.diff_id, layer.over), layer.diff_id);
  EXPECT_NE(RecordKey(layer.diff_id, layer.over), RecordKey(layer.diff_id, Digest::Of("other")));
}

TEST(ConvertedLayerTest, HasTheDescriptorOfASealedLayer) {
  const auto descriptor = DescriptorOf(Some());
  ASSERT_TRUE(descriptor.ok());
  EXPECT_EQ(descriptor->digest, Some().blob_digest);
  const auto info = ParseSealedLayerInfo(*descriptor);
  ASSERT_TRUE(info.ok()) << info.error().message();
  EXPECT_EQ(info->identity, Some().identity);
  EXPECT_FALSE(info->encrypted());
}

TEST(ConvertedLayerTest, RefusesWithTheReason) {
  struct Case {
    std::string pointer;
    json value;
    std::string why;
  };
  const Case cases[] = {{"/version", 1, "only 2 is known"},
                        {"/diff_id", "md5:1", "not a digest"},
                        {"/root_hash", "00", "64 lower-case hex digits"},
                        {"/salt", std::string(64, 'G'), "64 lower-case hex digits"},
                        {"/data_size", 4097, "multiple of 4096"},
                        {"/data_size", -1, "whole number"},
                        {"/passwd", 1, "'passwd': not an object"},
                        {"/passwd/content", "?", "base64"},
                        {"/passwd/content", 1, "'passwd.content': not a string"},
                        {"/group/hides_lower", 1, "neither true nor false"},
                        {"/group/more", 1, "'group.more': unknown"},
                        {"/over", "md5:1", "'over': "},
                        {"/more", 1, "'more': unknown"}};
  for (const auto& [pointer, value, why] : cases) {
    json document = json::parse(EncodeConvertedLayer(Some()));
    document[json::json_pointer(pointer)] = value;
    const auto decoded = DecodeConvertedLayer(document.dump());
    ASSERT_FALSE(decoded.ok()) << pointer;
    EXPECT_THAT(decoded.error().message(), HasSubstr(why)) << pointer;
  }
}

TEST(ConvertedLayerTest, LargeAccountsFitIntoTheBound) {
  ConvertedLayer layer = Some();
  layer.accounts.passwd.content = std::string(4U << 20, 'p');
  layer.accounts.group = layer.accounts.passwd;
  EXPECT_EQ(*DecodeConvertedLayer(EncodeConvertedLayer(layer)), layer);
  const auto huge = DecodeConvertedLayer(std::string(kMaxConvertedLayerBytes + 1, ' '));
  ASSERT_FALSE(huge.ok());
  EXPECT_THAT(huge.error().message(), HasSubstr("above the limit"));
}

}  // namespace
}  // namespace locket::image
