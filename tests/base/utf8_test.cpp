#include "base/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket {
namespace {

TEST(CheckUtf8Test, TakesEveryLengthOfCharacter) {
  for (const char* text : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xEF\xBF\xBF",
                           "\xED\x9F\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(CheckUtf8(text).ok()) << text;
  }
}

TEST(CheckUtf8Test, SaysWhereItStops) {
  const std::pair<const char*, const char*> table[] = {
      {"\x80", "byte 0"},              // no lead
      {"ab\xC3", "byte 2"},            // cut short
      {"\xC0\xAF", "byte 0"},          // not the shortest form
      {"a\xE0\x9F\xBF", "byte 1"},     // likewise
      {"\xED\xA0\x80", "byte 0"},      // a surrogate
      {"\xF4\x90\x80\x80", "byte 0"},  // above U+10FFFF
      {"x\xE2\x82y", "byte 1"}};       // an unfinished character
  for (const auto& [text, where] : table) {
    const auto checked = CheckUtf8(text);
    ASSERT_FALSE(checked.ok()) << where;
    EXPECT_EQ(checked.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(checked.error().message(), ::testing::HasSubstr(where));
  }
}

}  // namespace
}  // namespace locket
