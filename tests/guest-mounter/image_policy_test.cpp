#include "guest-mounter/image_policy.h"

#include <gmock/gmock.h>

#include "tests/guest-mounter/test_image.h"

namespace locket::guest_mounter {
namespace {

using ::testing::HasSubstr;

TEST(ImagePolicyTest, APinnedImageIsAcceptedWithItsLayersInOrder) {
  const TestImage one = MakeTestImage({TestLayer(1), TestLayer(2)});
  const auto image = CheckImage(Pinning({one}), one.manifest, one.config);
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_TRUE(image->pinned);
  EXPECT_EQ(image->manifest_digest, one.digest());
  ASSERT_EQ(image->layers.size(), 2U);
  EXPECT_EQ(image->layers[0].digest, TestLayer(1).digest);
  EXPECT_EQ(image->layers[1].blob_size, TestLayer(2).size);
  EXPECT_EQ(image->config.entrypoint, std::vector<std::string>{"/bin/app"});
}

TEST(ImagePolicyTest, AnotherDigestIsRefusedByName) {
  const TestImage allowed = MakeTestImage({TestLayer(1)});
  const TestImage other = MakeTestImage({TestLayer(2)});
  const auto image = CheckImage(Pinning({allowed}), other.manifest, other.config);
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(image.error().message(), "image " + other.digest().ToText() +
                                         " is not among the allowed digests of the initdata");
}

// What a host sends for an image that nobody allowed is not parsed: its digest is enough.
TEST(ImagePolicyTest, AnUnpinnedManifestIsRefusedBeforeItIsDecoded) {
  const TestImage allowed = MakeTestImage({TestLayer(1)});
  for (const std::string text : {"", "{", "not json", "[[[[[[[["}) {
    const auto image = CheckImage(Pinning({allowed}), text, allowed.config);
    ASSERT_FALSE(image.ok()) << text;
    EXPECT_EQ(image.error().code(), ErrorCode::kPermissionDenied) << image.error().message();
    EXPECT_THAT(image.error().message(), HasSubstr("is not among the allowed digests"));
    // Where a key packet may vouch for it, it has to be read.
    const auto keyed = CheckImage({.allow_keyed = true}, text, allowed.config);
    ASSERT_FALSE(keyed.ok()) << text;
    EXPECT_EQ(keyed.error().code(), ErrorCode::kInvalidArgument) << keyed.error().message();
  }
}

TEST(ImagePolicyTest, OneByteMoreIsAnotherImage) {
  const TestImage one = MakeTestImage({TestLayer(1)});
  EXPECT_FALSE(CheckImage(Pinning({one}), one.manifest + " ", one.config).ok());
}

TEST(ImagePolicyTest, TheConfigMustBeTheManifestsOwn) {
  const TestImage one = MakeTestImage({TestLayer(1)});
  const TestImage other = MakeTestImage({TestLayer(1)}, {"/bin/evil"});
  const auto image = CheckImage(Pinning({one}), one.manifest, other.config);
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(image.error().message(), HasSubstr("the config is not the one of manifest"));
}

TEST(ImagePolicyTest, AllowKeyedTakesImagesWhoseEveryLayerHasAKeyPacket) {
  const auto kek = TestKek();
  const initdata::GuestPolicy policy{.allow_keyed = true};
  const TestImage keyed = MakeTestImage({TestLayer(1, &kek), TestLayer(2, &kek)});
  const auto image = CheckImage(policy, keyed.manifest, keyed.config);
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_FALSE(image->pinned);

  const TestImage mixed = MakeTestImage({TestLayer(1, &kek), TestLayer(2)});
  const auto refused = CheckImage(policy, mixed.manifest, mixed.config);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("has no key packet that could vouch for it"));
}

TEST(ImagePolicyTest, WithoutAllowKeyedAKeyPacketVouchesForNothing) {
  const auto kek = TestKek();
  const TestImage keyed = MakeTestImage({TestLayer(1, &kek)});
  EXPECT_FALSE(CheckImage({}, keyed.manifest, keyed.config).ok());
}

TEST(ImagePolicyTest, WhatIsNoSealedImageIsRefusedEvenIfPinned) {
  for (const std::string text : {"", "{}", "[]", "not json"}) {
    const TestImage one{.manifest = text, .config = ""};
    EXPECT_FALSE(CheckImage(Pinning({one}), one.manifest, one.config).ok()) << text;
  }
  const std::string huge(image::kMaxManifestBytes + 1, ' ');
  EXPECT_FALSE(CheckImage({}, huge, "").ok());
}

}  // namespace
}  // namespace locket::guest_mounter
