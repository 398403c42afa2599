#include "image/sealed/key_packet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "image/sealed/layer_key_payload.h"

namespace locket::image {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

const ResourceName kKid{.repository = "default", .type = "key", .tag = "app.1"};

Secret Filled(size_t size, int value) {
  Secret secret(size);
  std::ranges::fill(secret.Reveal(), static_cast<std::byte>(value));
  return secret;
}

LayerKey SomeKey() {
  return {.key = Filled(kLayerKeyBytes, 0x5a),
          .identity = {.root_hash = {std::byte{1}}, .salt = {std::byte{2}}, .data_size = 4096}};
}

Secret FromText(std::string_view text) {
  Secret secret(text.size());
  std::ranges::copy(AsBytes(text), secret.Reveal().begin());
  return secret;
}

std::string SomePayload() { return std::string(AsText(EncodeLayerKeyPayload(SomeKey()).Reveal())); }

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(KeyPacketTest, AnnotationRoundTripsInTheFieldsCocoReads) {
  const Secret kek = Filled(kKekBytes, 1);
  const auto packet = WrapLayerKey(kek, kKid, SomeKey());
  ASSERT_TRUE(packet.ok()) << packet.error().message();
  const std::string annotation = EncodeKeyPacket(*packet);
  EXPECT_EQ(*DecodeKeyPacket(annotation), *packet);
  const auto document = json::parse(AsText(*Base64Decode(annotation)));
  EXPECT_EQ(document["version"], "0.1.0");
  EXPECT_EQ(document["provider"], "kbs");
  EXPECT_EQ(document["kid"], "kbs:///default/key/app.1");
  EXPECT_EQ(document["wrap_type"], "A256GCM");
  EXPECT_EQ(document.size(), 8U);
}

TEST(KeyPacketTest, RefusesWhatItDoesNotKnow) {
  const json good{{"version", "0.1.0"},
                  {"provider", "kbs"},
                  {"kid", kKid.ToUri()},
                  {"wrap_type", "A256GCM"},
                  {"iv", Base64Encode(std::vector<std::byte>(12))},
                  {"wrapped_data", Base64Encode(std::vector<std::byte>(17))}};
  const auto encoded = [](const json& document) { return Base64Encode(AsBytes(document.dump())); };
  ASSERT_TRUE(DecodeKeyPacket(encoded(good)).ok()) << "settings may be absent";
  struct Case {
    std::string name;
    json value;
    std::string why;
  };
  const Case cases[] = {{"version", "0.2.0", "only '0.1.0'"},
                        {"provider", "aliyun", "only 'kbs'"},
                        {"wrap_type", "A256CTR", "only 'A256GCM'"},
                        {"iv", Base64Encode(std::vector<std::byte>(16)), "not 12 bytes"},
                        {"wrapped_data", Base64Encode(std::vector<std::byte>(16)), "too short"},
                        {"wrapped_data", 7, "not text"},
                        {"kid", "kbs:///a/b", "not a resource name"},
                        {"annotations", "x", "not an object"},
                        {"more", 1, "unknown"}};
  for (const auto& [name, value, why] : cases) {
    json bad = good;
    bad[name] = value;
    EXPECT_THAT(DecodeKeyPacket(encoded(bad)).error().message(), HasSubstr(why)) << name;
  }
  for (const auto& [name, value] : good.items()) {
    json bad = good;
    bad.erase(name);
    EXPECT_THAT(DecodeKeyPacket(encoded(bad)).error().message(), HasSubstr("missing")) << name;
  }
  EXPECT_THAT(DecodeKeyPacket(std::string(kMaxKeyPacketBytes + 4, 'A')).error().message(),
              HasSubstr("larger than"));
}

TEST(LayerKeyTest, UnwrapsToWhatWasWrapped) {
  const Secret kek = Filled(kKekBytes, 1);
  const auto packet = *WrapLayerKey(kek, kKid, SomeKey());
  const auto key = UnwrapLayerKey(kek, packet);
  ASSERT_TRUE(key.ok()) << key.error().message();
  EXPECT_TRUE(std::ranges::equal(key->key.Reveal(), SomeKey().key.Reveal()));
  EXPECT_EQ(key->identity.root_hash, SomeKey().identity.root_hash);
  EXPECT_EQ(key->identity.data_size, 4096U);
}

TEST(LayerKeyTest, NoncesDiffer) {
  const Secret kek = Filled(kKekBytes, 1);
  EXPECT_NE(WrapLayerKey(kek, kKid, SomeKey())->iv, WrapLayerKey(kek, kKid, SomeKey())->iv);
}

TEST(LayerKeyTest, EveryChangedBitIsNoticed) {
  const Secret kek = Filled(kKekBytes, 1);
  const auto packet = *WrapLayerKey(kek, kKid, SomeKey());
  for (size_t i = 0; i < packet.wrapped_data.size(); i += 7) {
    auto bad = packet;
    bad.wrapped_data[i] ^= std::byte{1};
    EXPECT_EQ(UnwrapLayerKey(kek, bad).error().code(), ErrorCode::kDataLoss) << i;
  }
  auto other_iv = packet;
  other_iv.iv[0] ^= std::byte{1};
  EXPECT_EQ(UnwrapLayerKey(kek, other_iv).error().code(), ErrorCode::kDataLoss);
  const auto wrong_key = UnwrapLayerKey(Filled(kKekBytes, 2), packet);
  EXPECT_EQ(wrong_key.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(wrong_key.error().message(), HasSubstr("authentication failed"));
}

TEST(LayerKeyTest, AResourceOfAnotherLengthLooksLikeAnyOtherWrongKey) {
  const auto packet = *WrapLayerKey(Filled(kKekBytes, 1), kKid, SomeKey());
  const auto wrong = UnwrapLayerKey(Filled(kKekBytes, 2), packet);
  ASSERT_FALSE(wrong.ok());
  for (const size_t length : {0, 1, 31, 33, 4096}) {
    const auto key = UnwrapLayerKey(Filled(length, 2), packet);
    ASSERT_FALSE(key.ok()) << length;
    EXPECT_EQ(key.error().code(), wrong.error().code()) << length;
    EXPECT_EQ(key.error().message(), wrong.error().message()) << length;
  }
}

TEST(LayerKeyTest, OpensOnlyItsOwnLayer) {
  const Secret kek = Filled(kKekBytes, 1);
  const auto packet = *WrapLayerKey(kek, kKid, SomeKey());
  const auto mine = SomeKey().identity;
  EXPECT_TRUE(UnwrapLayerKeyFor(kek, packet, mine).ok());
  auto other = mine;
  other.root_hash[31] = std::byte{9};
  EXPECT_THAT(UnwrapLayerKeyFor(kek, packet, other).error().message(),
              HasSubstr("root hash differs"));
  other = mine;
  other.salt[0] = std::byte{9};
  EXPECT_THAT(UnwrapLayerKeyFor(kek, packet, other).error().message(), HasSubstr("salt differs"));
  other = mine;
  other.data_size = 8192;
  const auto refused = UnwrapLayerKeyFor(kek, packet, other);
  EXPECT_THAT(refused.error().message(), HasSubstr("data size differs"));
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
}

TEST(LayerKeyTest, RefusesKeysOfTheWrongSize) {
  EXPECT_THAT(WrapLayerKey(Filled(16, 1), kKid, SomeKey()).error().message(),
              HasSubstr("16 bytes, not 32"));
  LayerKey short_key{.key = Filled(32, 1), .identity = SomeKey().identity};
  EXPECT_THAT(WrapLayerKey(Filled(kKekBytes, 1), kKid, short_key).error().message(),
              HasSubstr("not 64 bytes"));
}

TEST(LayerKeyPayloadTest, IsTheFormatsJson) {
  const auto document = json::parse(SomePayload());
  EXPECT_EQ(document.size(), 7U);
  EXPECT_EQ(document["version"], 1);
  EXPECT_EQ(document["cipher"], "aes-xts-plain64");
  EXPECT_EQ(document["sector_size"], 4096);
  EXPECT_EQ(document["data_size"], 4096);
  EXPECT_EQ(document["root_hash"], "01" + std::string(62, '0'));
  EXPECT_EQ(Base64Decode(document["key"].get<std::string>())->size(), 64U);
}

TEST(LayerKeyPayloadTest, WhiteSpaceAndOrderDoNotMatter) {
  auto document = json::parse(SomePayload());
  EXPECT_TRUE(DecodeLayerKeyPayload(FromText(document.dump(2))).ok());
}

TEST(LayerKeyPayloadTest, RefusesWithoutShowingTheKey) {
  const std::string good = SomePayload();
  const std::string key = json::parse(good)["key"].get<std::string>();
  const std::pair<std::string, std::string> cases[] = {
      {"", "not a JSON object"},
      {Replaced(good, R"("version":1)", R"("version":2)"), "'version'"},
      {Replaced(good, R"("version":1)", R"("version":"1")"), "type"},
      {Replaced(good, "aes-xts-plain64", "cipher_null"), "'cipher'"},
      {Replaced(good, R"("sector_size":4096)", R"("sector_size":512)"), "'sector_size'"},
      {Replaced(good, key, key.substr(4)), "'key' is not 64 bytes"},
      {Replaced(good, key, "!" + key.substr(1)), "'key' is not 64 bytes in base64"},
      {Replaced(good, R"("data_size":4096)", R"("data_size":4097)"), "'data_size'"},
      {Replaced(good, R"("data_size":4096)", R"("data_size":99999999999999999999)"), "'data_size'"},
      {Replaced(good, R"("salt":"02)", R"("salt":"0x)"), "'salt'"},
      {Replaced(good, R"("salt":)", R"("sa\u006ct":)"), "malformed"},
      {Replaced(good, "{", R"({"x":1,)"), "unknown"},
      {Replaced(good, "{", R"({"version":1,)"), "twice"},
      {Replaced(good, R"("version":1,)", ""), "'version' is missing"},
      {good + "x", "after its end"},
      {good.substr(0, good.size() - 1), "malformed"}};
  for (const auto& [text, why] : cases) {
    const auto decoded = DecodeLayerKeyPayload(FromText(text));
    ASSERT_FALSE(decoded.ok()) << why;
    EXPECT_THAT(decoded.error().message(), HasSubstr(why));
    EXPECT_THAT(decoded.error().message(), Not(HasSubstr(key.substr(8, 16))));
  }
}

}  // namespace
}  // namespace locket::image
