#include "image/sealed/convergent_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/encoding.h"

namespace locket::image {
namespace {

using ::testing::HasSubstr;

Secret CountingSecret(size_t size) {
  Secret secret(size);
  for (size_t i = 0; i < size; ++i) secret.Reveal()[i] = static_cast<std::byte>(i);
  return secret;
}

Digest SomeDiffId() {
  std::string text = "sha256:";
  for (int i = 0; i < 32; ++i) text += "ab";
  return Digest::FromText(text).value();
}

// Made with Python's hmac from RFC 5869's text alone.
TEST(ConvergentKeyTest, IsHkdfOfSecretAndDiffId) {
  const auto derived = DeriveConvergentKey(CountingSecret(32), SomeDiffId());
  ASSERT_TRUE(derived.ok()) << derived.error().message();
  EXPECT_EQ(HexEncode(derived->key.Reveal()),
            "a0bb323296d1024312dcec61d21be423fede07db97e0a52e21de355cdc343a76"
            "19fb99d9f2471b5470030e34850994c5f1d9198dee7dcb999cef2f641cd87fa2");
  EXPECT_EQ(HexEncode(derived->salt),
            "56ef4761d58f385915c9458bafda01a3a1c00a26f7a8659b6c72e40ee04461ec");
}

TEST(ConvergentKeyTest, AnotherLayoutAnotherLayerOrAnotherTenantGetsAnotherKey) {
  const auto plain = DeriveConvergentKey(CountingSecret(32), SomeDiffId());
  const auto packed = DeriveConvergentKey(CountingSecret(32), SomeDiffId(), "lz4");
  ASSERT_TRUE(plain.ok() && packed.ok());
  EXPECT_EQ(HexEncode(packed->key.Reveal().first(8)), "7e47e397f64633f1");
  EXPECT_NE(plain->salt, packed->salt);
  const auto other_layer = DeriveConvergentKey(CountingSecret(32), Digest::Of("x"));
  EXPECT_NE(HexEncode(other_layer->key.Reveal()), HexEncode(plain->key.Reveal()));
  Secret other = CountingSecret(32);
  other.Reveal()[31] ^= std::byte{1};
  const auto other_tenant = DeriveConvergentKey(other, SomeDiffId());
  EXPECT_NE(HexEncode(other_tenant->key.Reveal()), HexEncode(plain->key.Reveal()));
}

TEST(ConvergentKeyTest, RefusesASecretOfAnotherSize) {
  for (const size_t size : {0U, 31U, 33U}) {
    const auto derived = DeriveConvergentKey(CountingSecret(size), SomeDiffId());
    ASSERT_FALSE(derived.ok()) << size;
    EXPECT_EQ(derived.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(derived.error().message(), HasSubstr("not 32"));
  }
}

}  // namespace
}  // namespace locket::image
