#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace locket {
namespace {

using ::testing::HasSubstr;

std::string RefusalOf(std::string_view text, const JsonLimits& limits = {.max_bytes = 1U << 20}) {
  const auto value = ParseJson(text, limits);
  if (value.ok()) return "accepted";
  EXPECT_EQ(value.error().code(), ErrorCode::kInvalidArgument);
  return value.error().message();
}

std::string Nested(int levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TEST(JsonTest, RefusesWithTheReason) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {"{}x", "not JSON"},
      {"1e999", "not JSON"},
      {std::string("{}\0", 3), "zero byte"},
      {std::string("{}\0{}", 5), "zero byte"},
      {"\"\xff\"", "not JSON"},
      {R"({"a":1,"a":1})", "'a' twice"},
      {R"({"x":{"a":1,"b":2,"a":3}})", "'a' twice"},
      {R"([{"x":1},{"a":1,"\u0061":2}])", "'a' twice"},
      {R"({"a":{"b":1},"c":{"b":1},"a":2})", "'a' twice"},
      {R"({"":1,"":2})", "'' twice"},
      {Nested(33), "deeper than 32"},
      {std::string(5000, '['), "deeper than 32"},
      {std::string(5000, '{'), "deeper than 32"}};
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(RefusalOf(text), HasSubstr(why)) << text.substr(0, 80);
  }
}

TEST(JsonTest, AcceptsTheSameNameInTwoObjectsAndThirtyTwoLevels) {
  EXPECT_EQ(RefusalOf(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]})"), "accepted");
  EXPECT_EQ(RefusalOf(Nested(32)), "accepted");
  EXPECT_EQ(RefusalOf("[\"" + std::string(100, '[') + "\"]"), "accepted");
}

TEST(JsonTest, ATextIsBoundedInBytesAndValues) {
  EXPECT_EQ(RefusalOf("12345", {.max_bytes = 4}), "JSON of 5 bytes is above the limit of 4");
  EXPECT_EQ(RefusalOf("[1,2]", {.max_bytes = 9, .max_values = 2}),
            "JSON of 3 values is above the limit of 2");
  EXPECT_EQ(RefusalOf("[1,2]", {.max_bytes = 9, .max_values = 3}), "accepted");
  EXPECT_EQ(RefusalOf("\",,,,\"", {.max_bytes = 9, .max_values = 1}), "accepted");
}

TEST(JsonTest, AnObjectIsAskedForByName) {
  EXPECT_EQ((*ParseJsonObject(R"({"a":7})", {.max_bytes = 9}))["a"], 7);
  const auto list = ParseJsonObject("[]", {.max_bytes = 9});
  EXPECT_EQ(list.error().message(), "not a JSON object");
}

TEST(JsonTest, DumpingNeverThrows) {
  EXPECT_EQ(DumpJson({{"b", 1}, {"a", "\xff"}}), "{\"a\":\"\xEF\xBF\xBD\",\"b\":1}");
}

}  // namespace
}  // namespace locket
