#include "base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace locket::log {
namespace {

TEST(LogTest, WritesTextWithQuotedFieldsOnOneLine) {
  EXPECT_EQ(FormatLine(Format::kText, "T", "prog", Level::kWarning, "pulled",
                       {{"image", "a b"}, {"n", 3}}),
            R"(T warning prog: pulled image="a b" n="3")");
  EXPECT_EQ(FormatLine(Format::kText, "T", "", Level::kInfo, "x", {{"evil", "a\nT error forged"}}),
            R"(T info x evil="a\nT error forged")");
}

TEST(LogTest, WritesJsonThatParsesWhateverTheBytes) {
  const auto line =
      FormatLine(Format::kJson, "T", "p", Level::kError, "m", {{"bytes", "\xff\"\n"}});
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["level"], "error");
  EXPECT_TRUE(parsed.contains("bytes"));
}

TEST(LogTest, KnowsLevelsAndFormats) {
  EXPECT_EQ(*ParseLevel("debug"), Level::kDebug);
  EXPECT_FALSE(ParseLevel("loud").ok());
  EXPECT_EQ(*ParseFormat("json"), Format::kJson);
  EXPECT_FALSE(ParseFormat("xml").ok());
}

}  // namespace
}  // namespace locket::log
