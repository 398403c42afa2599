// JSON from strangers, and what of it gets into our errors.
#include "attest/common/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

TEST(StrictJsonTest, TakesJsonAndNothingLikeIt) {
  for (const char* good : {"null", "true", "0", "-1.5e3", R"("")", "[]", "{}", " [ 1 , 2 ] ",
                           R"({"a":{"b":[{}]}})", "\"\xc3\xa9\"", R"("\ud83d\ude00")"}) {
    EXPECT_TRUE(ParseJson(good).ok()) << good;
  }
  for (const std::string bad : {"",
                                " ",
                                "nul",
                                "True",
                                "'a'",
                                "{a:1}",
                                "[1,]",
                                R"({"a":1,})",
                                "[1 2]",
                                "{} {}",
                                "[1]x",
                                "01",
                                "+1",
                                ".5",
                                "1.",
                                "0x1",
                                "NaN",
                                "Infinity",
                                "// c\n1",
                                "/* c */ 1",
                                "\"\t\"",
                                "\"\xff\"",
                                "\"\xc0\x80\"",
                                R"("\x41")",
                                R"("\ud83d")",
                                "\"a",
                                "[",
                                "]",
                                "{\"a\"}",
                                "\xef\xbb\xbf\xef\xbb\xbf{}"}) {
    const auto refused = ParseJson(bad);
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(ParseJson(std::string("1\0", 2)).ok());
  EXPECT_FALSE(ParseJson(std::string("{}\0{\"behind\":1}", 15)).ok());
}

TEST(StrictJsonTest, CountsDepthOutsideTextsOnly) {
  const auto nested = [](int depth, const std::string& open, const std::string& close) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += open;
    text += "0";
    for (int i = 0; i < depth; ++i) text += close;
    return ParseJson(text);
  };
  EXPECT_TRUE(nested(32, "[", "]").ok());
  EXPECT_EQ(nested(33, "[", "]").error().message(), "JSON nested deeper than 32 levels");
  EXPECT_TRUE(nested(32, R"({"a":)", "}").ok());
  EXPECT_EQ(nested(33, R"({"a":)", "}").error().message(), "JSON nested deeper than 32 levels");
  // An escaped quotation mark does not end a text, an escaped backslash before one does.
  const std::string brackets(40, '[');
  EXPECT_TRUE(ParseJson(R"(["\")" + brackets + R"("])").ok());
  EXPECT_TRUE(ParseJson(R"(["\\",")" + brackets + R"("])").ok());
  EXPECT_EQ(ParseJson(R"(["\\")" + brackets).error().message(),
            "JSON nested deeper than 32 levels");
}

TEST(StrictJsonTest, AnObjectIsAskedForByName) {
  EXPECT_TRUE(ParseJsonObject("{}").ok());
  for (const char* other : {"[]", "null", "1", R"("{}")"}) {
    EXPECT_EQ(ParseJsonObject(other).error().message(), "not a JSON object") << other;
  }
}

TEST(JsonTextTest, IsTextAndThere) {
  const auto object = ParseJsonObject(R"({"a":"x","n":1,"z":null,"":"empty"})").value();
  EXPECT_EQ(JsonText(object, "a").value(), "x");
  EXPECT_EQ(JsonText(object, "").value(), "empty");
  EXPECT_EQ(JsonText(object, "b").error().message(), "'b' is missing");
  EXPECT_EQ(JsonText(object, "n").error().message(), "'n' is not text");
  EXPECT_EQ(JsonText(object, "z").error().message(), "'z' is not text");
}

TEST(ShortenedTest, CutsAndPrintsWhatAStrangerSaid) {
  EXPECT_EQ(Shortened("plain ~ text"), "plain ~ text");
  EXPECT_EQ(Shortened(std::string("a\0b\n\x1b[0m\x7f\xc3\xa9", 11)), "a?b??[0m???");
  EXPECT_EQ(Shortened(std::string(100, 'x')), std::string(100, 'x'));
  EXPECT_EQ(Shortened(std::string(101, 'x')), std::string(100, 'x') + "...");
  EXPECT_EQ(Shortened("abc", 2), "ab...");
  EXPECT_EQ(Shortened("", 0), "");
}

TEST(DumpJsonTest, WritesAnyBytesWithoutThrowing) {
  EXPECT_EQ(DumpJson({{"b", 1}, {"a", "\xc3\xa9"}}), "{\"a\":\"\xc3\xa9\",\"b\":1}");
  EXPECT_EQ(DumpJson(nlohmann::json("a\xff"
                                    "b")),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_THAT(DumpJson(nlohmann::json(std::string("\x01\"\\", 3))), HasSubstr(R"(\u0001\"\\)"));
}

}  // namespace
}  // namespace locket::attest
