#include "image/oci/digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"

namespace locket::image {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kEmpty =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(DigestTest, OfNothingIsTheKnownValue) {
  EXPECT_EQ(Digest::Of("").ToText(), kEmpty);
  EXPECT_EQ(Digest::FromText(kEmpty)->Hex(), kEmpty.substr(7));
}

TEST(DigestTest, StreamedEqualsWhole) {
  DigestHasher hasher;
  hasher.Update(AsBytes("ab"));
  hasher.Update(AsBytes("c"));
  EXPECT_EQ(hasher.Finish(), Digest::Of("abc"));
  EXPECT_EQ(hasher.Finish(), Digest::Of("")) << "Finish starts afresh";
}

TEST(DigestTest, RefusesEveryOtherForm) {
  const std::string hex(kEmpty.substr(7));
  EXPECT_THAT(Digest::FromText("sha512:" + hex + hex).error().message(), HasSubstr("'sha256:'"));
  EXPECT_THAT(Digest::FromText(hex).error().message(), HasSubstr("'sha256:'"));
  EXPECT_THAT(Digest::FromText("sha256:" + hex.substr(1)).error().message(), HasSubstr("64 hex"));
  EXPECT_THAT(Digest::FromText(std::string(kEmpty) + "0").error().message(), HasSubstr("64 hex"));
  std::string upper(kEmpty);
  upper[8] = 'B';
  EXPECT_THAT(Digest::FromText(upper).error().message(), HasSubstr("0-9 and a-f"));
}

}  // namespace
}  // namespace locket::image
