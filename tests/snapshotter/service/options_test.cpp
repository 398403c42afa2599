#include "snapshotter/service/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

Result<CommandLine> Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "locket-snapshotter");
  return ParseCommandLine(static_cast<int>(flags.size()), flags.data());
}

TEST(ParseConfigTest, TheShippedFileParsesAndStatesTheDefaults) {
  const auto text = ReadFile(LOCKET_SOURCE_DIR "/deploy/snapshotter.toml", 1 << 20);
  ASSERT_TRUE(text.ok());
  const auto options = ParseConfig(*text);
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(*options, Options{});
}

TEST(ParseConfigTest, TakesEveryKey) {
  const auto options = ParseConfig(R"(
root = "/r"
address = "/a.sock"
log_level = "debug"
log_format = "json"
convert = true
convert_images = ["a/*", "b"]
convert_except = []
[registry]
hosts_dir = "/h"
credentials = "/c.json"
credentials_dir = "/c.d"
ca_file = "/ca.pem"
timeout_s = 7
attempts = 3
max_downloads = 5
max_downloads_per_host = 2
[cri]
address = "/k.sock"
containerd = "/c.sock"
[cache]
high_bytes = 20
low_bytes = 10
keep_partial_downloads_s = 0
[metrics]
address = "127.0.0.1:9100"
)");
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(*options, (Options{.root = "/r",
                               .address = "/a.sock",
                               .log_level = log::Level::kDebug,
                               .log_format = log::Format::kJson,
                               .hosts_dir = "/h",
                               .credentials = "/c.json",
                               .credentials_dir = "/c.d",
                               .ca_file = "/ca.pem",
                               .registry_timeout = std::chrono::seconds(7),
                               .registry_attempts = 3,
                               .max_downloads = 5,
                               .max_downloads_per_host = 2,
                               .cri_address = "/k.sock",
                               .cri_containerd = "/c.sock",
                               .cache_high_bytes = 20,
                               .cache_low_bytes = 10,
                               .keep_partial_downloads = std::chrono::seconds(0),
                               .convert = {.enabled = true, .images = {"a/*", "b"}, .except = {}},
                               .metrics_address = "127.0.0.1:9100"}));
}

TEST(ParseConfigTest, NamesTheKeyThatIsWrong) {
  const struct {
    const char* text;
    const char* why;
  } kCases[] = {
      {"rot = '/r'", "key 'rot': unknown"},
      {"registry = 1", "key 'registry': must be a table"},
      {"[registry]\nx = 1", "key 'registry.x': unknown"},
      {"root = 'relative'", "key 'root': must be an absolute path"},
      {"root = ''", "key 'root': must not be empty"},
      {"address = 5", "key 'address': must be a text"},
      {"log_level = 'loud'", "unknown log level 'loud'"},
      {"log_format = 'xml'", "unknown log format 'xml'"},
      {"[registry]\ntimeout_s = 0", "'registry.timeout_s': must be a whole number from 1 to"},
      {"[registry]\ntimeout_s = '5'", "must be a whole number from 1 to"},
      {"[registry]\nattempts = 0", "key 'registry.attempts': must be a whole number from 1 to 100"},
      {"[registry]\nmax_downloads = 0",
       "'registry.max_downloads': must be a whole number from 1 to 1024"},
      {"address = '/a'\n[cri]\naddress = '/a'", "key 'cri.address': must be a socket of its own"},
      {"[cri]\naddress = '/a'\ncontainerd = '/a'", "must be a socket of its own"},
      {"[cri]\naddress = '/a'\ncontainerd = ''", "key 'cri.containerd': must not be empty"},
      {"[cache]\nhigh_bytes = -1", "key 'cache.high_bytes': must be a whole number from 0 to"},
      {"[cache]\nlow_bytes = '1'", "key 'cache.low_bytes': must be a whole number"},
      {"[cache]\nhigh_bytes = 1\nlow_bytes = 2", "must not be more than cache.high_bytes"},
      {"convert = 1", "key 'convert': must be true or false"},
      {"convert_images = 'a'", "key 'convert_images': must be a list of texts"},
      {"convert_except = ['a', '']", "key 'convert_except': must be a list of patterns"},
      {"convert_except = [1]", "key 'convert_except': must be a list of texts"},
      {"[metrics]\naddress = 9100", "key 'metrics.address': must be a text"},
      {"[metrics]\naddress = 'x:1'", "key 'metrics.address': 'x:1' is no IP address and port"},
      {"'\xCD'[", "not UTF-8 from byte 1"},
      {"root = ", "not TOML: line 1: missing value"},
  };
  for (const auto& c : kCases) {
    const auto options = ParseConfig(c.text);
    ASSERT_FALSE(options.ok()) << c.text;
    EXPECT_EQ(options.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(options.error().message(), HasSubstr(c.why)) << c.text;
    EXPECT_EQ(options.error().message().find('\n'), std::string::npos) << "one line";
  }
}

TEST(ParseCommandLineTest, FlagsWinOverTheFile) {
  const auto temp =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "options-")).value();
  const std::string file = temp.path() / "c.toml";
  ASSERT_TRUE(ReplaceFileDurably(file, "root = '/file'\naddress = '/file.sock'\n").ok());
  const auto line = Parse({"--config", file.c_str(), "--root", "/flag", "--log-level", "error",
                           "--log-format", "json", "--hosts-dir", "/h", "--credentials", "/c"});
  ASSERT_TRUE(line.ok()) << line.error().message();
  EXPECT_EQ(line->options.root, "/flag");
  EXPECT_EQ(line->options.address, "/file.sock");
  EXPECT_EQ(line->options.log_level, log::Level::kError);
  EXPECT_EQ(line->options.log_format, log::Format::kJson);
  EXPECT_EQ(line->options.hosts_dir, "/h");
  EXPECT_EQ(line->options.credentials, "/c");
}

TEST(ParseCommandLineTest, HelpAndVersionArePrinted) {
  EXPECT_THAT(Parse({"--help"})->print.value_or(""), HasSubstr("--check-config"));
  EXPECT_THAT(Parse({"--version"})->print.value_or(""), HasSubstr("locket-snapshotter "));
  EXPECT_TRUE(Parse({"--check-config"})->check_config);
}

TEST(ParseCommandLineTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Parse({"--rot", "x"}).error().message(), HasSubstr("--rot"));
  EXPECT_THAT(Parse({"--log-level", "loud"}).error().message(), HasSubstr("'loud'"));
  EXPECT_THAT(Parse({"--config", "/no/such/file"}).error().message(), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace locket::snapshotter
