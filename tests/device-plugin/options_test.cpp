#include "device-plugin/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace locket::device_plugin {
namespace {

using ::testing::HasSubstr;

Result<CommandLine> Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "locket-device-plugin");
  return ParseCommandLine(static_cast<int>(flags.size()), flags.data());
}

TEST(DevicePluginConfigTest, TheShippedFileParsesAndStatesTheDefaults) {
  const auto text = ReadFile(LOCKET_SOURCE_DIR "/deploy/device-plugin.toml", 1 << 20);
  ASSERT_TRUE(text.ok());
  const auto options = ParseConfig(*text);
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(*options, Options{});
}

TEST(DevicePluginConfigTest, TakesEveryKey) {
  const auto options = ParseConfig(R"(
kubelet_dir = "/k"
root = "/r"
check_interval_s = 5
register_timeout_s = 2
log_level = "debug"
log_format = "json"
[snp]
resource = "a.example/snp"
reserved = 1
[tdx]
resource = ""
reserved = 2
[emulated]
resource = "a.example/toy"
count = 3
)");
  ASSERT_TRUE(options.ok()) << options.error().message();
  EXPECT_EQ(*options, (Options{.kubelet_dir = "/k",
                               .root = "/r",
                               .check_interval = std::chrono::seconds(5),
                               .register_timeout = std::chrono::seconds(2),
                               .log_level = log::Level::kDebug,
                               .log_format = log::Format::kJson,
                               .resources = {
                                   {.tee = Tee::kSnp, .name = "a.example/snp", .reserved = 1},
                                   {.tee = Tee::kTdx, .name = "", .reserved = 2},
                                   {.tee = Tee::kEmulated, .name = "a.example/toy", .emulated = 3},
                               }}));
}

TEST(DevicePluginConfigTest, NamesTheKeyThatIsWrong) {
  const struct {
    std::string text;
    const char* why;
  } kCases[] = {
      {"kubelet = '/k'", "key 'kubelet': unknown"},
      {"kubelet_dir = 'k'", "key 'kubelet_dir': must be an absolute path"},
      {"root = ''", "key 'root': must be an absolute path"},
      {"check_interval_s = 0", "key 'check_interval_s': must be a whole number from 1 to"},
      {"register_timeout_s = 'x'", "key 'register_timeout_s': must be a whole number"},
      {"log_level = 'loud'", "key 'log_level': unknown log level 'loud'"},
      {"log_format = 'xml'", "key 'log_format': unknown log format 'xml'"},
      {"snp = 1", "key 'snp': must be a table"},
      {"[snp]\ncount = 1", "key 'snp.count': unknown"},
      {"[emulated]\nreserved = 1", "key 'emulated.reserved': unknown"},
      {"[emulated]\ncount = 65537", "key 'emulated.count': must be a whole number from 0 to 65536"},
      {"[tdx]\nreserved = -1", "key 'tdx.reserved': must be a whole number"},
      {"[snp]\nresource = 'snp'", "key 'snp.resource': must be a domain, a slash and a name"},
      {"[snp]\nresource = 'Locket.dev/snp'", "must be a domain"},
      {"[snp]\nresource = 'locket.dev/'", "must be a domain"},
      {"[snp]\nresource = '/snp'", "must be a domain"},
      {"[snp]\nresource = '-a/snp'", "must be a domain"},
      {"[snp]\nresource = 'a/b/c'", "must be a domain"},
      {"[snp]\nresource = 'a.b/" + std::string(64, 'x') + "'", "must be a domain"},
      {"[snp]\nresource = 'kubernetes.io/snp'", "must not be a name of Kubernetes' own"},
      {"[snp]\nresource = 'x.kubernetes.io/snp'", "must not be a name of Kubernetes' own"},
      {"[snp]\nresource = 'requests.x/snp'", "must not be a name of Kubernetes' own"},
      {"[tdx]\nresource = 'locket.dev/snp'",
       "key 'tdx.resource': 'locket.dev/snp' is another TEE's already"},
      {"root = ", "not TOML"},
  };
  for (const auto& c : kCases) {
    const auto options = ParseConfig(c.text);
    ASSERT_FALSE(options.ok()) << c.text;
    EXPECT_EQ(options.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(options.error().message(), HasSubstr(c.why)) << c.text;
  }
}

TEST(DevicePluginCommandLineTest, FlagsWinOverTheFile) {
  const auto temp =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "options-")).value();
  const std::string file = temp.path() / "c.toml";
  ASSERT_TRUE(ReplaceFileDurably(file, "kubelet_dir = '/file'\ncheck_interval_s = 7\n").ok());
  const auto line = Parse({"--config", file.c_str(), "--kubelet-dir", "/flag", "--root", "/r",
                           "--log-level", "error", "--log-format", "json"});
  ASSERT_TRUE(line.ok()) << line.error().message();
  EXPECT_EQ(line->options.kubelet_dir, "/flag");
  EXPECT_EQ(line->options.check_interval, std::chrono::seconds(7));
  EXPECT_EQ(line->options.root, "/r");
  EXPECT_EQ(line->options.log_level, log::Level::kError);
  EXPECT_EQ(line->options.log_format, log::Format::kJson);
  EXPECT_EQ(line->action, Action::kServe);
}

TEST(DevicePluginCommandLineTest, KnowsWhatToDo) {
  EXPECT_THAT(Parse({"--help"})->print.value_or(""), HasSubstr("locket-device-plugin --list"));
  EXPECT_THAT(Parse({"--version"})->print.value_or(""), HasSubstr("locket-device-plugin "));
  EXPECT_EQ(Parse({"--list"})->action, Action::kList);
  EXPECT_EQ(Parse({"--list", "--json"})->action, Action::kListJson);
  EXPECT_EQ(Parse({"--check-config"})->action, Action::kCheckConfig);
}

TEST(DevicePluginCommandLineTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Parse({"--lost"}).error().message(), HasSubstr("--lost"));
  EXPECT_THAT(Parse({"--json"}).error().message(), HasSubstr("--list"));
  EXPECT_THAT(Parse({"--list", "--check-config"}).error().message(), HasSubstr("--list"));
  EXPECT_THAT(Parse({"--log-level", "loud"}).error().message(), HasSubstr("'loud'"));
  EXPECT_THAT(Parse({"--root", "r"}).error().message(), HasSubstr("'--root'"));
  EXPECT_THAT(Parse({"--config", "/no/such/file"}).error().message(), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace locket::device_plugin
