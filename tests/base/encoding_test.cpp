#include "base/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket {
namespace {

using ::testing::HasSubstr;

// RFC 4648, section 10.
constexpr std::pair<std::string_view, std::string_view> kBase64Vectors[] = {{"", ""},
                                                                            {"f", "Zg=="},
                                                                            {"fo", "Zm8="},
                                                                            {"foo", "Zm9v"},
                                                                            {"foob", "Zm9vYg=="},
                                                                            {"fooba", "Zm9vYmE="},
                                                                            {"foobar", "Zm9vYmFy"}};

TEST(Base64Test, MatchesTheRfcBothWays) {
  for (const auto& [plain, encoded] : kBase64Vectors) {
    EXPECT_EQ(Base64Encode(AsBytes(plain)), encoded);
    auto decoded = Base64Decode(encoded);
    ASSERT_TRUE(decoded.ok()) << encoded;
    EXPECT_EQ(AsText(*decoded), plain);
  }
}

TEST(Base64Test, RefusesWhatItWouldNotHaveWritten) {
  for (const std::string_view bad :
       {"Zg", "Zg=", "Z===", "Zh==", "Zm9v\n", "Zm 9", "Zm9-", "===="}) {
    EXPECT_FALSE(Base64Decode(bad).ok()) << bad;
  }
}

TEST(Base64UrlTest, UsesItsOwnAlphabetWithoutPadding) {
  const std::string bytes = "\xfb\xff\xfe";
  EXPECT_EQ(Base64UrlEncode(AsBytes(bytes)), "-__-");
  EXPECT_EQ(AsText(*Base64UrlDecode("-__-")), bytes);
  EXPECT_FALSE(Base64UrlDecode("Zg==").ok());
  EXPECT_FALSE(Base64UrlDecode("Zm9vY").ok());
}

TEST(HexTest, RoundTripsAndRefusesTheRest) {
  EXPECT_EQ(HexEncode(AsBytes("\x01\xab")), "01ab");
  EXPECT_EQ(AsText(*HexDecode("01ab")), "\x01\xab");
  EXPECT_THAT(HexDecode("abc").error().message(), HasSubstr("odd length"));
  EXPECT_THAT(HexDecode("AB").error().message(), HasSubstr("only 0-9 and a-f"));
}

}  // namespace
}  // namespace locket
