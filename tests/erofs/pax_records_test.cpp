#include "erofs/pax_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Record(const std::string& key, const std::string& value) {
  return TarMaker::PaxRecord(key, value);
}

TEST(PaxRecordsTest, TheLastOfOneKeyCountsAndAnEmptyOneSaysNothing) {
  const auto pax = PaxRecords::Parse(Record("a", "1") + Record("a", "2") + Record("b", "x=y\nz") +
                                     Record("c", "") + Record("b", "x=y"));
  ASSERT_TRUE(pax.ok()) << pax.error().message();
  EXPECT_EQ(pax->Find("a"), "2");
  EXPECT_EQ(pax->Find("b"), "x=y");
  EXPECT_EQ(pax->Find("c"), std::nullopt);
  EXPECT_EQ(pax->Find("d"), std::nullopt);
  EXPECT_TRUE(pax->all().contains("c"));
}

TEST(PaxRecordsTest, MalformedRecordsAreRefused) {
  for (const std::string& text :
       {std::string("nonsense"), std::string("5 a=b"), std::string("7 a=b\n"),
        std::string("6 a=bc"), std::string("-6 a=b\n"), std::string("0 a=b\n"), std::string("3 \n"),
        std::string("2\n"), std::string("6 abc\n"), std::string("5 =b\n"),
        std::string("99999999999999999999 a=b\n"), std::string("7 a\0=b\n", 8),
        Record("a", "b") + "x", Record("path", std::string("a\0b", 3)),
        Record("linkpath", std::string("\0", 1)), Record("GNU.sparse.numbytes", "1"),
        Record("GNU.sparse.offset", "1"),
        Record("GNU.sparse.offset", "x") + Record("GNU.sparse.numbytes", "1")}) {
    const auto pax = PaxRecords::Parse(text);
    ASSERT_FALSE(pax.ok()) << text;
    EXPECT_EQ(pax.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(pax.error().message(), "its pax header holds a malformed record");
  }
}

TEST(PaxRecordsTest, NumbersAreNumbersOrRefused) {
  const auto of = [](const std::string& value) {
    return PaxRecords::Parse(Record("n", value))->FindNumber("n");
  };
  EXPECT_EQ(*of("0"), 0);
  EXPECT_EQ(*of("-5"), -5);
  EXPECT_EQ(*of("+5"), 5);
  EXPECT_EQ(*of("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(*of(""), std::nullopt);
  for (const char* value :
       {"x", "5x", " 5", "5 ", "0x5", "1.5", "+-5", "-", "9223372036854775808"}) {
    ASSERT_FALSE(of(value).ok()) << value;
    EXPECT_EQ(of(value).error().message(), "its pax header's 'n' is not a number");
  }
}

TEST(PaxRecordsTest, TheSignOfATimeIsThatOfTheWhole) {
  const auto of = [](const std::string& value) {
    return PaxRecords::Parse(Record("mtime", value))->FindTime("mtime");
  };
  struct Case {
    const char* text;
    PaxTime time;
  };
  const Case cases[] = {
      {"5", {5, 0}},
      {"5.", {5, 0}},
      {"5.25", {5, 250'000'000}},
      {"5.1234567899", {5, 123'456'789}},
      {"-1.25", {-2, 750'000'000}},
      {"-0.5", {-1, 500'000'000}},
      {"-0", {0, 0}},
      {"-7.0", {-7, 0}},
      {"-9223372036854775808", {INT64_MIN, 0}},
  };
  for (const Case& one : cases) {
    const auto time = of(one.text);
    ASSERT_TRUE(time.ok()) << one.text;
    EXPECT_EQ(*time, one.time) << one.text;
  }
  EXPECT_EQ(*of(""), std::nullopt);
  for (const char* text :
       {".5", "-.5", "5.x", "5.-1", "x", "1e3", "5.1.2", "-9223372036854775808.5"}) {
    ASSERT_FALSE(of(text).ok()) << text;
    EXPECT_EQ(of(text).error().message(), "its pax header's 'mtime' is not a time");
  }
}

TEST(PaxRecordsTest, SparseNumbersKeepTheirOrder) {
  std::string text;
  for (const char* n : {"0", "512"}) {
    text += Record("GNU.sparse.offset", n) + Record("GNU.sparse.numbytes", "7");
  }
  const auto pax = PaxRecords::Parse(text);
  ASSERT_TRUE(pax.ok());
  EXPECT_THAT(pax->sparse_numbers(), ElementsAre(0, 7, 512, 7));
}

}  // namespace
}  // namespace locket::erofs
