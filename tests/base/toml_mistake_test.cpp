#include "base/toml_mistake.h"

#include <gtest/gtest.h>

namespace locket {
namespace {

TEST(TomlMistakeTest, SaysTheReasonAndTheLineWhereItIsNoticed) {
  EXPECT_EQ(TomlMistake("[error] toml::parse_key_value_pair: missing key-value separator `=`\n"
                        " --> configuration\n   |\n 2 | root:x\n   |     ^--- should be `=`"),
            "line 2: missing key-value separator `=`");
  EXPECT_EQ(TomlMistake("[error] toml::insert_value: value (\"a\") already exists.\n"
                        " --> configuration\n   |\n  9 | a = 1\n   |     ^--- here\n ...\n"
                        " 10 | a = 2\n   |     ^--- value defined twice"),
            "line 10: value (\"a\") already exists.");
}

TEST(TomlMistakeTest, BarsOfTheDocumentAreNoLineNumbers) {
  EXPECT_EQ(TomlMistake("[error] toml::f: why\n --> x\n   |\n 3 | a = ' 7 | '\n x7 | \n | \n |"),
            "line 3: why");
}

TEST(TomlMistakeTest, TakesAnythingForAReason) {
  EXPECT_EQ(TomlMistake(""), "");
  EXPECT_EQ(TomlMistake("something else"), "something else");
  EXPECT_EQ(TomlMistake("[error] toml::no colon"), "[error] toml::no colon");
  EXPECT_EQ(TomlMistake(std::string(5000, 'x')).size(), 200U);
}

}  // namespace
}  // namespace locket
