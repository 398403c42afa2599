#include "guest-mounter/mounter_options.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"
#include "base/subprocess.h"
#include "guest-mounter/file_key_source.h"

namespace locket::guest_mounter {
namespace {

using ::testing::HasSubstr;

TEST(MounterOptionsTest, ReadsFilesKeysAndDirectory) {
  const auto options = ParseMounterOptions(
      {"--manifest", "m", "--config", "c", "--directory", "/d", "--key", "kbs:///a/b/c=/key"});
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(options->manifest, "m");
  EXPECT_EQ(options->config, "c");
  EXPECT_EQ(options->directory, "/d");
  EXPECT_EQ(options->keys.at("kbs:///a/b/c"), "/key");
}

TEST(MounterOptionsTest, SaysWhatIsWrongAndWhereToLook) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "--manifest and --config are needed; see --help"},
      {{"--manifest", "m"}, "are needed"},
      {{"--manifest"}, "--manifest takes a value"},
      {{"--mount", "x"}, "unknown option '--mount'"},
      {{"--key", "no-equals"}, "--key takes ID=FILE"},
      {{"--key", "http://x=/f"}, "kbs:///"}};
  for (const auto& [arguments, reason] : cases) {
    const auto options = ParseMounterOptions(arguments);
    ASSERT_FALSE(options.ok());
    EXPECT_THAT(options.error().message(), HasSubstr(reason));
  }
}

TEST(FileKeySourceTest, GivesTheBytesOfTheRightFileOnly) {
  const auto directory = TempDir::Create(::testing::TempDir(), "keys");
  ASSERT_TRUE(directory.ok());
  std::ofstream(directory->path() / "good") << std::string(32, 'k');
  std::ofstream(directory->path() / "short") << "k";
  FileKeySource keys({{"kbs:///a/b/good", directory->path() / "good"},
                      {"kbs:///a/b/short", directory->path() / "short"},
                      {"kbs:///a/b/absent", directory->path() / "absent"}});
  const auto fetch = [&](const char* id) {
    return keys.FetchSecret(ResourceName::FromUri(id).value());
  };
  const auto good = fetch("kbs:///a/b/good");
  ASSERT_TRUE(good.ok()) << good.error().message();
  EXPECT_EQ(good->Reveal()[31], std::byte{'k'});
  EXPECT_THAT(fetch("kbs:///a/b/short").error().message(), HasSubstr("has 1 bytes; a key has 32"));
  EXPECT_THAT(fetch("kbs:///a/b/absent").error().message(), HasSubstr("absent"));
  EXPECT_THAT(fetch("kbs:///a/b/other").error().message(), HasSubstr("no --key was given"));
}

TEST(LocketMounterTest, ExitsWithOneLineAndTheRightStatus) {
  const std::string program = LOCKET_BINARY_DIR "/bin/locket-mounter";
  const auto usage = RunCommand({program, "--nonsense"});
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->exit_status, 2);
  EXPECT_EQ(usage->standard_error, "locket-mounter: unknown option '--nonsense'; see --help\n");
  const auto help = RunCommand({program, "--help"});
  ASSERT_TRUE(help.ok());
  EXPECT_EQ(help->exit_status, 0);
  EXPECT_THAT(help->standard_output, HasSubstr("usage: locket-mounter"));
  EXPECT_EQ(RunCommand({program, "--version"})->exit_status, 0);
}

}  // namespace
}  // namespace locket::guest_mounter
