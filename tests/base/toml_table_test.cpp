#include "base/toml_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TomlTable Parsed(std::string_view text) {
  auto table = TomlTable::Parse(text);
  EXPECT_TRUE(table.ok());
  return std::move(table).value();
}

TEST(TomlTableTest, TakesEachTypeAndLeavesWhatIsNotThereAlone) {
  TomlTable table = Parsed(R"(
text = "t"
maybe = "m"
path = "/p"
flag = true
number = -5
small = 7
span_s = 90
list = ["b", "c"]
[inner]
text = "i"
)");
  std::string text, absent = "as it was";
  std::filesystem::path path;
  bool flag = false;
  int64_t number = 0;
  uint32_t small = 0;
  std::chrono::seconds span{1};
  std::vector<std::string> list{"a"};
  std::optional<std::string> maybe, never;
  EXPECT_TRUE(table.Take("text", &text).ok());
  EXPECT_TRUE(table.Take("absent", &absent).ok());
  EXPECT_TRUE(table.Take("maybe", &maybe).ok());
  EXPECT_TRUE(table.Take("never", &never).ok());
  EXPECT_TRUE(table.Take("path", &path).ok());
  EXPECT_TRUE(table.Take("flag", &flag).ok());
  EXPECT_TRUE(table.Take("number", -5, 5, &number).ok());
  EXPECT_TRUE(table.Take("small", 0, 7, &small).ok());
  EXPECT_TRUE(table.Take("span_s", 1, 90, &span).ok());
  EXPECT_TRUE(table.Take("list", &list).ok());
  EXPECT_EQ(text, "t");
  EXPECT_EQ(absent, "as it was");
  EXPECT_EQ(maybe, "m");
  EXPECT_EQ(never, std::nullopt);
  EXPECT_EQ(path, "/p");
  EXPECT_TRUE(flag);
  EXPECT_EQ(number, -5);
  EXPECT_EQ(small, 7U);
  EXPECT_EQ(span, std::chrono::seconds(90));
  EXPECT_THAT(list, ElementsAre("b", "c"));
  auto inner = table.TakeTable("inner");
  ASSERT_TRUE(inner.ok());
  EXPECT_TRUE(inner->Take("text", &text).ok());
  EXPECT_EQ(text, "i");
  EXPECT_TRUE(inner->Finish().ok());
  EXPECT_TRUE(table.Finish().ok());
}

TEST(TomlTableTest, NamesTheKeyThatIsWrong) {
  std::string text;
  bool flag = false;
  uint32_t small = 0;
  std::chrono::seconds span{1};
  std::vector<std::string> list;
  EXPECT_EQ(Parsed("k = 1").Take("k", &text).error().message(), "key 'k': must be a text");
  EXPECT_EQ(Parsed("k = 1").Take("k", &flag).error().message(), "key 'k': must be true or false");
  EXPECT_EQ(Parsed("k = 9").Take("k", 1, 8, &small).error().message(),
            "key 'k': must be a whole number from 1 to 8");
  EXPECT_EQ(Parsed("k = 0").Take("k", 1, 86400, &span).error().message(),
            "key 'k': must be a whole number from 1 to 86400");
  EXPECT_EQ(Parsed("k = [1]").Take("k", &list).error().message(),
            "key 'k': must be a list of texts");
  EXPECT_EQ(Parsed("k = 1").TakeTable("k").error().message(), "key 'k': must be a table");
  EXPECT_EQ(Parsed("k = 1").Finish().error().message(), "key 'k': unknown");
  TomlTable outer = Parsed("[o]\nk = 1");
  const auto inner = outer.TakeTable("o");
  ASSERT_TRUE(inner.ok());
  EXPECT_EQ(inner->Finish().error().message(), "key 'o.k': unknown");
  EXPECT_EQ(inner->Wrong("k", "why").message(), "key 'o.k': why");
  EXPECT_EQ(Parsed("b = 1\nc = 1\na = 1").Finish().error().message(), "key 'a': unknown");
  EXPECT_TRUE(outer.TakeTable("absent")->Finish().ok());
}

TEST(TomlTableTest, TakesTheKeysOfTheLog) {
  auto level = log::Level::kWarning;
  auto format = log::Format::kJson;
  TomlTable none = Parsed("");
  EXPECT_TRUE(TakeLog(none, &level, &format).ok());
  EXPECT_EQ(level, log::Level::kWarning);
  EXPECT_EQ(format, log::Format::kJson);
  TomlTable both = Parsed("log_level = 'debug'\nlog_format = 'text'");
  EXPECT_TRUE(TakeLog(both, &level, &format).ok());
  EXPECT_TRUE(both.Finish().ok());
  EXPECT_EQ(level, log::Level::kDebug);
  EXPECT_EQ(format, log::Format::kText);
  TomlTable loud = Parsed("log_level = 'loud'");
  EXPECT_THAT(TakeLog(loud, &level, &format).error().message(), HasSubstr("key 'log_level': "));
  TomlTable xml = Parsed("log_format = 'xml'");
  EXPECT_THAT(TakeLog(xml, &level, &format).error().message(), HasSubstr("key 'log_format': "));
}

TEST(TomlTableTest, WhatIsNotTomlIsRefusedInOneLine) {
  EXPECT_EQ(TomlTable::Parse("k = 1\nl").error().message(),
            "not TOML: line 2: missing key-value separator `=`");
  for (const char* text : {"k = ", "'\xCD'[", "k = 1\nk = 2"}) {
    const auto table = TomlTable::Parse(text);
    ASSERT_FALSE(table.ok()) << text;
    EXPECT_EQ(table.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(table.error().message(), HasSubstr("not TOML: "));
    EXPECT_EQ(table.error().message().find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace locket
