// Sessions and the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "key-broker/config.h"
#include "key-broker/sessions.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

const Challenged kChallenge{.challenge = {.nonce = "n", .hash = attest::HashAlgorithm::kSha512},
                            .tee = "snp"};

TEST(SessionsTest, GiveAChallengeOnceAndATokenOnceComplete) {
  FakeClock clock;
  Sessions sessions({}, clock);
  const std::string id = sessions.Begin(kChallenge);
  EXPECT_THAT(sessions.Token(id).error().message(), HasSubstr("has not attested"));
  const auto taken = sessions.TakeChallenge(id);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->challenge.nonce, "n");
  EXPECT_EQ(taken->challenge.hash, attest::HashAlgorithm::kSha512);
  EXPECT_EQ(taken->tee, "snp");
  EXPECT_THAT(sessions.TakeChallenge(id).error().message(), HasSubstr("used already"));
  sessions.Complete(id, "token");
  EXPECT_EQ(sessions.Token(id).value(), "token");
  EXPECT_THAT(sessions.Token("other").error().message(), HasSubstr("no such session"));
}

TEST(SessionsTest, EndByAge) {
  FakeClock clock;
  Sessions sessions({.lifetime = 300s, .max_sessions = 8}, clock);
  const std::string id = sessions.Begin(kChallenge);
  clock.Advance(299999ms);
  sessions.Complete(id, "token");
  EXPECT_TRUE(sessions.Token(id).ok());
  clock.Advance(1ms);
  EXPECT_THAT(sessions.Token(id).error().message(), HasSubstr("expired"));
  EXPECT_EQ(sessions.size(), 0U);
}

TEST(SessionsTest, AreBoundedAndNeverPushOutAttestedOnes) {
  FakeClock clock;
  Sessions sessions({.lifetime = 300s, .max_sessions = 3}, clock);
  const std::string attested = sessions.Begin(kChallenge);
  sessions.Complete(attested, "token");
  const std::string oldest = sessions.Begin(kChallenge);
  for (int i = 0; i < 100; ++i) sessions.Begin(kChallenge);
  EXPECT_EQ(sessions.size(), 3U);
  EXPECT_TRUE(sessions.Token(attested).ok());
  EXPECT_FALSE(sessions.TakeChallenge(oldest).ok());
}

TEST(SessionsTest, MakeRoomOldestFirstWhenAllHaveAttested) {
  FakeClock clock;
  Sessions sessions({.lifetime = 300s, .max_sessions = 2}, clock);
  const std::string oldest = sessions.Begin(kChallenge);
  sessions.Complete(oldest, "token");
  const std::string newer = sessions.Begin(kChallenge);
  sessions.Complete(newer, "token");
  const std::string newest = sessions.Begin(kChallenge);
  EXPECT_EQ(sessions.size(), 2U);
  EXPECT_THAT(sessions.Token(oldest).error().message(), HasSubstr("no such session"));
  EXPECT_TRUE(sessions.Token(newer).ok());
  EXPECT_TRUE(sessions.TakeChallenge(newest).ok());
}

constexpr std::string_view kGood =
    "listen = \"[::1]:8443\"\nstore_dir = \"/s\"\naudit_log = \"/a\"\n"
    "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";

TEST(ConfigTest, TakesDefaults) {
  const auto config = ParseConfig(kGood);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->host, "::1");
  EXPECT_EQ(config->port, 8443);
  EXPECT_FALSE(config->allow_emulated);
  EXPECT_FALSE(config->admin_public_key.has_value());
  EXPECT_EQ(config->max_body_bytes, 1U << 20);
  EXPECT_EQ(config->session_lifetime, 300s);
}

TEST(ConfigTest, TheDeployedFileSaysWhatTheDefaultsAre) {
  const auto text = ReadFile(std::string(LOCKET_SOURCE_DIR) + "/deploy/broker.toml", 1U << 16);
  const auto deployed = ParseConfig(*text);
  ASSERT_TRUE(deployed.ok()) << deployed.error().message();
  const auto plain = ParseConfig(kGood);
  EXPECT_EQ(deployed->allow_emulated, plain->allow_emulated);
  EXPECT_EQ(deployed->session_lifetime, plain->session_lifetime);
  EXPECT_EQ(deployed->token_lifetime, plain->token_lifetime);
  EXPECT_EQ(deployed->request_timeout, plain->request_timeout);
  EXPECT_EQ(deployed->max_connections, plain->max_connections);
  EXPECT_EQ(deployed->max_connections_per_peer, plain->max_connections_per_peer);
  EXPECT_EQ(deployed->refusals_per_minute, plain->refusals_per_minute);
  EXPECT_EQ(deployed->audit_max_bytes, plain->audit_max_bytes);
  EXPECT_EQ(deployed->audit_keep, plain->audit_keep);
  EXPECT_EQ(deployed->max_sessions, plain->max_sessions);
  EXPECT_EQ(deployed->max_body_bytes, plain->max_body_bytes);
  EXPECT_EQ(deployed->threads, plain->threads);
}

TEST(ConfigTest, NamesTheKeyThatIsWrong) {
  const std::string good(kGood);
  const std::pair<std::string, std::string> table[] = {
      {"", "key 'listen': required"},
      {"listen = \"nowhere\"\n", "key 'listen': must be address:port"},
      {"listen = \"a:65536\"\n", "key 'listen': must be address:port"},
      {"listen = \"a:1x\"\n", "key 'listen': must be address:port"},
      {"listen = 7\n", "key 'listen': must be a text"},
      {"port = 1\n" + good, "key 'port': unknown"},
      {good + "cert = \"x\"\n", "key 'tls.cert': unknown"},
      {good + "[emulated]\nallow = \"yes\"\n", "key 'emulated.allow': must be true or false"},
      {good + "[emulated]\nallow = true\n",
       "key 'emulated.root': required, as emulated.allow is true"},
      {good + "[limits]\nmax_body_bytes = 0\n",
       "key 'limits.max_body_bytes': must be a whole number from 1 to 1048576"},
      {good + "[limits]\nthreads = \"many\"\n", "'limits.threads'"},
      {good + "[limits]\nidle_seconds = 10\n", "replaced by request_seconds"},
      {good + "[audit]\nmax_bytes = 100\n", "key 'audit.max_bytes': must be 0 or at least 65536"},
      {good + "[snp]\ncrls = 7\n", "key 'snp.crls': must be a list of texts"},
      {good + "[admin]\npublic_key = \"\"\n", "key 'admin.public_key': must not be empty"},
      {good + "[snp]\nroots = \"x\"\n", "key 'snp.roots': must be a list of texts"},
      {"snp = 1\n" + good, "key 'snp': must be a table"},
      {"'\xCD'[", "not UTF-8 from byte 1"},
      {"= =", "not TOML: line 1: "}};
  for (const auto& [text, reason] : table) {
    const auto config = ParseConfig(text);
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_THAT(config.error().message(), HasSubstr(reason)) << text;
  }
}

TEST(CommandLineTest, IsParsed) {
  const auto line = ParseCommandLine({"--config", "f", "--check-config", "--log-level", "debug"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->config_file, "f");
  EXPECT_TRUE(line->check_config);
  EXPECT_EQ(line->log_level, log::Level::kDebug);
  EXPECT_THAT(*ParseCommandLine({"--help"})->print, HasSubstr("usage:"));
  EXPECT_THAT(ParseCommandLine({}).error().message(), HasSubstr("--config FILE is missing"));
  EXPECT_THAT(ParseCommandLine({"--config"}).error().message(), HasSubstr("needs a value"));
  EXPECT_THAT(ParseCommandLine({"-x"}).error().message(), HasSubstr("unknown option '-x'"));
}

}  // namespace
}  // namespace locket::key_broker
