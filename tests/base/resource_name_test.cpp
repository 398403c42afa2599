// One alphabet and one parser for the names of a broker's resources.
#include "base/resource_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket {
namespace {

using ::testing::HasSubstr;

const ResourceName kName{.repository = "default", .type = "key", .tag = "app.1"};

TEST(ResourceNameTest, HasTwoWrittenFormsOfTheSameThreeSegments) {
  EXPECT_EQ(ResourceName::FromUri("kbs:///default/key/app.1").value(), kName);
  EXPECT_EQ(ResourceName::FromPath("default/key/app.1").value(), kName);
  EXPECT_EQ(kName.ToUri(), "kbs:///default/key/app.1");
  EXPECT_EQ(kName.ToPath(), "default/key/app.1");
}

TEST(ResourceNameTest, AnyOtherFormIsRefused) {
  for (const std::string path :
       {"",       "a",       "a/b",          "a/b/",      "/a/b/c",      "a/b/c/",  "a/b/c/d",
        "a//c",   "//",      "a/../c",       "a/b/..",    "./b/c",       ".a/b/c",  "a/.b/c",
        "a/b/.c", "a/b/c:1", "a/b/sha256:c", "a/b/c?x=y", "a/b/c#x",     "a/b/c d", "a/b/c ",
        " a/b/c", "a/b/%63", "a/b/c\n",      "a\\b/c/d",  "a/b/\xc3\xa9"}) {
    EXPECT_FALSE(ResourceName::FromPath(path).ok()) << path;
    EXPECT_FALSE(ResourceName::FromUri("kbs:///" + path).ok()) << path;
  }
  EXPECT_FALSE(ResourceName::FromPath(std::string("a/b/c\0d", 7)).ok());
  for (const char* uri : {"a/b/c", "kbs:/a/b/c", "kbs://a/b/c", "kbs://host/a/b/c",
                          "kbs://host:1/a/b/c", "KBS:///a/b/c", "http:///a/b/c", "kbs:////a/b/c"}) {
    EXPECT_FALSE(ResourceName::FromUri(uri).ok()) << uri;
  }
  EXPECT_FALSE(ResourceName::FromPath("kbs:///a/b/c").ok()) << "a URI is not a path";
}

TEST(ResourceNameTest, ASegmentHasAtMost128Characters) {
  const std::string longest(128, 'x');
  EXPECT_TRUE(ResourceName::FromPath(longest + "/" + longest + "/" + longest).ok());
  for (const std::string& path :
       {longest + "x/b/c", "a/" + longest + "x/c", "a/b/" + longest + "x"}) {
    EXPECT_FALSE(ResourceName::FromPath(path).ok()) << path;
  }
}

TEST(ResourceNameTest, TheRefusalSaysWhichFormWasExpectedAndIsShort) {
  EXPECT_EQ(ResourceName::FromPath("a/b").error().message(),
            "'a/b' is not a resource name, REPOSITORY/TYPE/TAG of letters, digits, '-', '_' and, "
            "not first, '.'");
  EXPECT_THAT(ResourceName::FromUri("a/b/c").error().message(),
              HasSubstr("'a/b/c' is not a resource name, kbs:///REPOSITORY/TYPE/TAG of"));
  EXPECT_LT(ResourceName::FromUri(std::string(100'000, 'x')).error().message().size(), 700U);
}

}  // namespace
}  // namespace locket
