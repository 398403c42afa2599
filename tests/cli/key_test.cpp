#include "cli/key.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using KeyTest = CliTest;

TEST_F(KeyTest, CreatesThirtyTwoRandomBytesForTheOwnerAlone) {
  const auto made = cli_.Run({"key", "create", Path("kek")});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.out, "created " + Path("kek") + "\n");
  struct stat status {};
  ASSERT_EQ(::stat(Path("kek").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(status.st_size, 32);
  ASSERT_EQ(cli_.Run({"key", "create", Path("other")}).exit_code, 0);
  EXPECT_NE(Read(Path("kek")), Read(Path("other")));
}

TEST_F(KeyTest, NeverOverwrites) {
  Write("kek", "precious");
  const auto made = cli_.Run({"key", "create", Path("kek")});
  EXPECT_EQ(made.exit_code, 1);
  EXPECT_THAT(made.err, HasSubstr("a key is never overwritten"));
  EXPECT_EQ(Read(Path("kek")), "precious");
}

TEST_F(KeyTest, NamesADirectoryThatIsNotThere) {
  const auto made = cli_.Run({"key", "create", Path("no/kek")});
  EXPECT_EQ(made.exit_code, 1);
  EXPECT_THAT(made.err,
              HasSubstr("create key '" + Path("no/kek") + "': No such file or directory"));
}

TEST_F(KeyTest, ReadsBackWhatItCreated) {
  ASSERT_TRUE(CreateKeyFile(Path("kek")).ok());
  const auto key = ReadKeyFile(Path("kek"));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->Reveal().size(), 32U);
}

TEST_F(KeyTest, RefusesFilesThatAreNoKey) {
  for (const size_t size : {0U, 31U, 33U}) {
    const auto key = ReadKeyFile(Write("kek", std::string(size, 's')));
    ASSERT_FALSE(key.ok()) << size;
    EXPECT_THAT(key.error().message(), HasSubstr("must be a file of 32 bytes"));
    EXPECT_THAT(key.error().message(), Not(HasSubstr("sss")));
  }
  EXPECT_THAT(ReadKeyFile(dir_.path()).error().message(), HasSubstr("not a regular file"));
  EXPECT_EQ(ReadKeyFile(Path("none")).error().code(), ErrorCode::kNotFound);
}

TEST_F(KeyTest, BoundsSecretFiles) {
  EXPECT_EQ(ReadSecretFile(Write("big", "12345"), 4).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(ReadSecretFile(Path("big"), 5)->Reveal().size(), 5U);
}

}  // namespace
}  // namespace locket::cli
