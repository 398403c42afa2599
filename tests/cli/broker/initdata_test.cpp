#include "initdata/initdata.h"

#include <gmock/gmock.h>

#include "base/subprocess.h"
#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InitdataTest : public CliTest {
 protected:
  CliResult Create(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"initdata", "create"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }
  const std::string digest_ = "sha256:" + std::string(64, 'a');
  const std::string ca_ = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
};

TEST_F(InitdataTest, SaysToTheGuestWhatTheTenantSaid) {
  const auto made = Create({"--broker-url",
                            "https://b:1",
                            "--broker-ca",
                            Write("ca.pem", ca_),
                            "--allow-digest",
                            digest_,
                            "--allow-digest",
                            "sha256:" + std::string(64, 'b'),
                            "--allow-keyed",
                            "--allow-command",
                            R"(["/bin/sh","-c","echo 'x' \"y\" , [z]"])",
                            "--allow-command",
                            R"(["/bin/ls"])",
                            "--allow-env",
                            "A",
                            "--allow-env",
                            "KUBERNETES_*",
                            "--allow-stdin",
                            "--allow-network",
                            "--hide-output",
                            "--allow-exec",
                            R"(["/bin/check","--health"])",
                            "--allow-exec",
                            R"(["/bin/sh"])",
                            "--allow-volume",
                            "/data",
                            "--allow-volume",
                            "/var/cache/x",
                            "--allow-command",
                            digest_ + R"(=["/bin/one","a=b"])",
                            "--allow-exec",
                            digest_ + R"(=["/bin/probe"])",
                            "--allow-volume",
                            digest_ + "=/one",
                            "--allow-all-syscalls"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto policy = initdata::PolicyOf(initdata::DecodeInitdata(made.out).value()).value();
  EXPECT_EQ(policy.broker->url, "https://b:1");
  EXPECT_THAT(policy.broker->ca, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_EQ(policy.allowed_digests.size(), 2U);
  EXPECT_EQ(policy.allowed_digests[0].ToText(), digest_);
  EXPECT_TRUE(policy.allow_keyed);
  EXPECT_THAT(
      policy.every_image.allow_commands,
      ElementsAre(ElementsAre("/bin/sh", "-c", "echo 'x' \"y\" , [z]"), ElementsAre("/bin/ls")));
  EXPECT_THAT(policy.allow_env, ElementsAre("A", "KUBERNETES_*"));
  EXPECT_TRUE(policy.allow_stdin);
  EXPECT_TRUE(policy.allow_network);
  EXPECT_TRUE(policy.hide_output);
  EXPECT_THAT(policy.every_image.allow_exec,
              ElementsAre(ElementsAre("/bin/check", "--health"), ElementsAre("/bin/sh")));
  EXPECT_THAT(policy.every_image.allow_volumes, ElementsAre("/data", "/var/cache/x"));
  EXPECT_TRUE(policy.allow_all_syscalls);
  ASSERT_EQ(policy.images.size(), 1U);
  const auto& [digest, rules] = *policy.images.begin();
  EXPECT_EQ(digest.ToText(), digest_);
  EXPECT_THAT(rules.allow_commands, ElementsAre(ElementsAre("/bin/one", "a=b")));
  EXPECT_THAT(rules.allow_exec, ElementsAre(ElementsAre("/bin/probe")));
  EXPECT_THAT(rules.allow_volumes, ElementsAre("/one"));
  EXPECT_EQ(made.err, "");
}

TEST_F(InitdataTest, WarnsOfVariablesThatLetTheHostLoadCode) {
  const auto made =
      Create({"--allow-digest", digest_, "--allow-env", "A", "--allow-env", "LD_PRELOAD"});
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_EQ(made.err,
            "locket: warning: with --allow-env LD_PRELOAD the host can make programs in the guest "
            "run other code\n");
}

TEST_F(InitdataTest, DigestIsThatOfTheFile) {
  ASSERT_EQ(Create({"--allow-digest", digest_, "-o", Path("app.toml")}).exit_code, 0);
  const auto sum = RunCommand({"sha256sum", Path("app.toml")});
  EXPECT_EQ(cli_.Run({"initdata", "digest", Path("app.toml")}).out,
            sum->standard_output.substr(0, 64) + "\n");
  const auto annotation = cli_.Run({"initdata", "annotation", Path("app.toml")}).out;
  EXPECT_EQ(initdata::DecodeInitdataAnnotation(annotation.substr(0, annotation.size() - 1)).value(),
            Read(Path("app.toml")));
}

TEST_F(InitdataTest, RefusesWrongUsage) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "give --allow-digest or --allow-keyed"},
      {{"--allow-keyed", "--allow-volume", "data"}, "'data' is not an absolute path"},
      {{"--allow-keyed", "--broker-url", "https://b"},
       "--broker-url and --broker-ca need each other"},
      {{"--allow-keyed", "--broker-ca", "x"}, "--broker-url and --broker-ca need each other"},
      {{"--allow-keyed", "--broker-url", "http://b", "--broker-ca", "x"}, "begin with https://"},
      {{"--allow-digest", "sha256:1"}, "--allow-digest: "},
      {{"--allow-keyed", "--allow-command", "/bin/ls"}, "not a JSON array of strings"},
      {{"--allow-keyed", "--allow-command", "[]"}, "not a JSON array of strings"},
      {{"--allow-keyed", "--allow-command", "[1]"}, "not a JSON array of strings"},
      {{"--allow-keyed", "--allow-env", "*"}, "would let the host set every variable"},
      {{"--allow-keyed", "--allow-exec", "sha256:1=[]"}, "--allow-exec: "},
      {{"--allow-keyed", "--allow-exec", digest_ + "=[]"}, "'[]' is not a JSON array of strings"},
      {{"--allow-keyed", "--allow-command", digest_}, "is not a JSON array of strings"},
      {{"--allow-digest", "sha256:" + std::string(64, 'b'), "--allow-volume", digest_ + "=/x"},
       "image " + digest_ + " may not run"},
      {{"--allow-keyed", "--allow-volume", digest_ + "=x"}, "'x' is not an absolute path"},
      {{"--allow-keyed", "--allow-exec", "/bin/sh"},
       "--allow-exec: '/bin/sh' is not a JSON array"}};
  for (const auto& [arguments, reason] : cases) {
    const auto made = Create(arguments);
    EXPECT_EQ(made.exit_code, 2) << reason;
    EXPECT_THAT(made.err, HasSubstr(reason));
  }
}

TEST_F(InitdataTest, RefusesBadFiles) {
  EXPECT_THAT(
      Create({"--allow-keyed", "--broker-url", "https://b", "--broker-ca", Path("none")}).err,
      HasSubstr(Path("none")));
  const auto no_ca = Create(
      {"--allow-keyed", "--broker-url", "https://b", "--broker-ca", Write("ca.pem", "hello")});
  EXPECT_EQ(no_ca.exit_code, 1);
  EXPECT_THAT(no_ca.err, HasSubstr("does not contain a PEM certificate"));
  for (const char* command : {"digest", "annotation"}) {
    const auto bad = cli_.Run({"initdata", command, Write("bad.toml", "x = 1")});
    EXPECT_EQ(bad.exit_code, 1);
    EXPECT_THAT(bad.err, HasSubstr("initdata '" + Path("bad.toml") + "': "));
  }
}

}  // namespace
}  // namespace locket::cli
