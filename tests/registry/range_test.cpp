#include "registry/range.h"

#include <gtest/gtest.h>

namespace locket::registry {
namespace {

TEST(RangeTest, ReadsContentRange) {
  const auto range = ParseContentRange("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5U);
  EXPECT_EQ(range->last, 9U);
  EXPECT_EQ(range->total, 10U);
  EXPECT_FALSE(ParseContentRange("bytes 5-9/*")->total);
  for (const char* bad : {"", "bytes", "bytes */10", "bytes 5/10", "bytes 5-/10", "bytes -9/10",
                          "items 5-9/10", "bytes 5-9", "bytes 5-9/", "bytes 5-9/x", "bytes 5/9-10",
                          "bytes 5-99999999999999999999/*", "bytes 5-9/10 "}) {
    EXPECT_FALSE(ParseContentRange(bad)) << bad;
  }
}

TEST(RangeTest, ReadsHowMuchHasArrived) {
  EXPECT_EQ(ParseReceived("0-99"), 100U);
  EXPECT_EQ(ParseReceived("bytes=0-99"), 100U);
  EXPECT_EQ(ParseReceived("0-0"), 1U);
  for (const char* bad : {"", "0", "0-", "-9", "10-99", "0-9x", "0-18446744073709551615"}) {
    EXPECT_FALSE(ParseReceived(bad)) << bad;
  }
}

}  // namespace
}  // namespace locket::registry
