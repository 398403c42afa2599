#include "cli/pod/cri_log.h"

#include <gmock/gmock.h>

#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;

class CriLogTest : public CliTest {
 protected:
  void Append(const std::string& text) { std::ofstream(Path("log"), std::ios::app) << text; }

  std::ostringstream out_;
  std::ostringstream err_;
  CriLogReader reader_{Path("log"), out_, err_};
};

TEST_F(CriLogTest, KeepsTheStreamsApart) {
  Append("2026-01-01T00:00:00.0Z stdout F one\n2026-01-01T00:00:00.1Z stderr F two\n");
  ASSERT_TRUE(reader_.Copy().ok());
  EXPECT_EQ(out_.str(), "one\n");
  EXPECT_EQ(err_.str(), "two\n");
}

TEST_F(CriLogTest, TakesAFileThatComesLater) {
  ASSERT_TRUE(reader_.Copy().ok());
  Append("t stdout F here\n");
  ASSERT_TRUE(reader_.Copy().ok());
  EXPECT_EQ(out_.str(), "here\n");
}

TEST_F(CriLogTest, JoinsPartsAndLinesThatComeInPieces) {
  Append("t stdout P be");
  ASSERT_TRUE(reader_.Copy().ok());
  EXPECT_EQ(out_.str(), "");
  Append("gin \nt stdout F end\nt std");
  ASSERT_TRUE(reader_.Copy().ok());
  EXPECT_EQ(out_.str(), "begin end\n");
  Append("out F last");
  ASSERT_TRUE(reader_.CopyRest().ok());
  EXPECT_EQ(out_.str(), "begin end\nlast\n");
}

TEST_F(CriLogTest, KeepsSpacesAndEmptyLines) {
  Append("t stdout F \nt stdout F   a  b \n");
  ASSERT_TRUE(reader_.Copy().ok());
  EXPECT_EQ(out_.str(), "\n  a  b \n");
}

TEST_F(CriLogTest, ShowsALineThatIsNoneOfCrisAsItIs) {
  Append("what is this\n\n");
  ASSERT_TRUE(reader_.Copy().ok());
  EXPECT_EQ(out_.str(), "what is this\n\n");
}

TEST_F(CriLogTest, RefusesALineWithoutEnd) {
  Append(std::string((1U << 20) + 1, 'x'));
  EXPECT_THAT(reader_.Copy().error().message(), HasSubstr("not a CRI log"));
}

TEST_F(CriLogTest, SaysWhyAFileCannotBeRead) {
  CriLogReader reader(dir_.path(), out_, err_);
  EXPECT_THAT(reader.Copy().error().message(), HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace locket::cli
