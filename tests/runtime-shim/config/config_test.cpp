#include "runtime-shim/config/config.h"

#include <gmock/gmock.h>

#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kLeast = "guest_image_dir = \"/g\"\n";

TEST(ConfigTest, OneKeyIsEnough) {
  const auto config = ParseConfig(kLeast);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->guest_image_dir, "/g");
  EXPECT_EQ(config->state_dir, "/run/locket/shim");
  EXPECT_EQ(config->accelerator, AcceleratorChoice::kAuto);
  EXPECT_EQ(config->tee, Tee::kNone);
  EXPECT_EQ(config->boot_timeout, std::chrono::seconds(120));
  EXPECT_TRUE(config->relay_allow.empty());
  EXPECT_EQ(config->scratch_mib, 0U);
  EXPECT_TRUE(config->pod_cgroup);
}

TEST(ConfigTest, ReadsEveryKey) {
  const auto config = ParseConfig(R"(
guest_image_dir = "/g"
state_dir = "/s"
qemu = "/opt/qemu"
accelerator = "tcg"
tee = "emulated"
kernel_params = "a=b"
memory_mib = 2048
vcpus = 4
direct_io = true
scratch_mib = 4096
scratch_dir = "/d"
pod_cgroup = false
boot_timeout_s = 1
prepare_timeout_s = 2
call_timeout_s = 3
log_level = "debug"
[tee_emulator]
path = "/opt/emulator"
dir = "/keys"
[relay]
allow = ["127.0.0.1:8443", "[::1]:1"]
)");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->state_dir, "/s");
  EXPECT_EQ(config->qemu, "/opt/qemu");
  EXPECT_EQ(config->accelerator, AcceleratorChoice::kTcg);
  EXPECT_EQ(config->tee, Tee::kEmulated);
  EXPECT_EQ(config->kernel_params, "a=b");
  EXPECT_EQ(config->memory_mib, 2048U);
  EXPECT_EQ(config->vcpus, 4U);
  EXPECT_TRUE(config->direct_io);
  EXPECT_EQ(config->scratch_mib, 4096U);
  EXPECT_EQ(config->scratch_dir, "/d");
  EXPECT_FALSE(config->pod_cgroup);
  EXPECT_EQ(config->boot_timeout.count() + config->prepare_timeout.count() * 10 +
                config->call_timeout.count() * 100,
            321);
  EXPECT_EQ(config->log_level, log::Level::kDebug);
  EXPECT_EQ(config->tee_emulator, "/opt/emulator");
  EXPECT_EQ(config->tee_emulator_dir, "/keys");
  EXPECT_THAT(config->relay_allow, ElementsAre("127.0.0.1:8443", "[::1]:1"));
}

TEST(ConfigTest, RefusalsNameTheKey) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "key 'guest_image_dir': required"},
      {"guest_image_dir = \"relative\"", "key 'guest_image_dir'"},
      {"guest_image_dir = 1", "key 'guest_image_dir': must be a text"},
      {std::string(kLeast) + "scratch_mib = 15", "key 'scratch_mib': must be 0, or at least 16"},
      {std::string(kLeast) + "memory_mib = 128\nscratch_mib = 4097",
       "key 'scratch_mib': must be at most 32 times memory_mib"},
      {std::string(kLeast) + "scratch_mib = -1", "key 'scratch_mib': must be a whole number"},
      {std::string(kLeast) + "scratch_dir = \"d\"", "key 'scratch_dir': must be an absolute"},
      {std::string(kLeast) + "surprise = 1", "key 'surprise': unknown"},
      {std::string(kLeast) + "[relay]\nsurprise = 1", "key 'relay.surprise': unknown"},
      {std::string(kLeast) + "[relay]\nallow = [\"host\"]", "'host' is not host:port"},
      {std::string(kLeast) + "[relay]\nallow = [1]", "key 'relay.allow': must be a list of texts"},
      {std::string(kLeast) + "relay = 1", "key 'relay': must be a table"},
      {std::string(kLeast) + "accelerator = \"hvf\"", "key 'accelerator': must be"},
      {std::string(kLeast) + "tee = \"snp\"",
       "key 'tee': \"snp\" is not supported by this version"},
      {std::string(kLeast) + "tee = \"tdx\"", "\"tdx\" is not supported by this version"},
      {std::string(kLeast) + "tee = \"sgx\"", "key 'tee': must be"},
      {std::string(kLeast) + "tee = \"emulated\"", "key 'tee_emulator.dir': required"},
      {std::string(kLeast) + "memory_mib = 1", "key 'memory_mib': must be a whole number from 128"},
      {std::string(kLeast) + "vcpus = \"2\"", "key 'vcpus': must be a whole number"},
      {std::string(kLeast) + "boot_timeout_s = 0", "key 'boot_timeout_s'"},
      {std::string(kLeast) + "direct_io = 1", "key 'direct_io': must be true or false"},
      {std::string(kLeast) + "kernel_params = \"a\\nb\"", "key 'kernel_params'"},
      {std::string(kLeast) + "log_level = \"loud\"", "key 'log_level'"},
      {"guest_image_dir =", "not TOML"},
      {"'\xCD'[", "not UTF-8 from byte 1"},
  };
  for (const auto& [text, reason] : cases) {
    const auto config = ParseConfig(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_EQ(config.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(config.error().message(), HasSubstr(reason));
  }
}

TEST(ConfigTest, TheShippedFileIsTheDefaults) {
  const auto shipped = LoadConfig(std::string(LOCKET_SOURCE_DIR) + "/deploy/runtime-shim.toml");
  ASSERT_TRUE(shipped.ok()) << shipped.error().message();
  const Config defaults{.guest_image_dir = shipped->guest_image_dir};
  EXPECT_EQ(shipped->state_dir, defaults.state_dir);
  EXPECT_EQ(shipped->memory_mib, defaults.memory_mib);
  EXPECT_EQ(shipped->vcpus, defaults.vcpus);
  EXPECT_EQ(shipped->boot_timeout, defaults.boot_timeout);
  EXPECT_EQ(shipped->prepare_timeout, defaults.prepare_timeout);
  EXPECT_EQ(shipped->call_timeout, defaults.call_timeout);
  EXPECT_EQ(shipped->tee_emulator, defaults.tee_emulator);
}

TEST(ConfigTest, AMissingFileIsNamed) {
  const auto config = LoadConfig("/nowhere/shim.toml");
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(
      config.error().message(),
      HasSubstr(
          "read configuration '/nowhere/shim.toml': it is not there; deploy/runtime-shim.toml"));
}

}  // namespace
}  // namespace locket::runtime_shim
