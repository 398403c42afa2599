#include "cli/broker/broker_policy.h"

#include <gmock/gmock.h>

#include "base/encoding.h"
#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kMeasurement(96, '1');
const std::string kHostData(64, '2');
const MinTcbOptions kMinTcb{.boot_loader = 4, .tee = 0, .snp = 24, .microcode = 219, .fmc = 0};
const std::string kUri = "kbs:///team/key/app";

class BrokerPolicyTest : public CliTest {
 protected:
  BrokerPolicyTest() {
    cli_.environment = {{"LOCKET_BROKER_URL", "https://127.0.0.1:1"},
                        {"LOCKET_BROKER_CA", Path("ca.pem")},
                        {"LOCKET_BROKER_ADMIN_KEY", Path("admin.key")}};
  }
  CliResult Broker(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"broker"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }
};

TEST_F(BrokerPolicyTest, TakesValuesAsTheyAre) {
  const auto policy = MakeReleasePolicy({.uri = kUri,
                                         .tees = {"snp", "snp"},
                                         .measurements = {kMeasurement, kMeasurement},
                                         .host_data = {kHostData},
                                         .min_tcb = kMinTcb,
                                         .platform_required = {"alias_check_complete"},
                                         .platform_refused = {"smt"}});
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(policy->resource.ToPath(), "team/key/app");
  EXPECT_THAT(policy->tee, SizeIs(1));
  ASSERT_THAT(policy->measurements, SizeIs(1));
  EXPECT_EQ(HexEncode(policy->measurements[0]), kMeasurement);
  EXPECT_EQ(HexEncode(policy->host_data.at(0)), kHostData);
  EXPECT_EQ(policy->min_tcb,
            (attest::TcbLevels{
                {"boot_loader", 4}, {"fmc", 0}, {"microcode", 219}, {"snp", 24}, {"tee", 0}}));
  EXPECT_THAT(DescribePolicy(*policy),
              AllOf(HasSubstr("min TCB      boot_loader 4, tee 0, snp 24, microcode 219, fmc 0"),
                    HasSubstr(R"("refused":["smt"],"required":["alias_check_complete"])")));
  EXPECT_FALSE(policy->allow_debug);
  EXPECT_THAT(DescribePolicy(*policy), HasSubstr("measurement  " + kMeasurement));
}

TEST_F(BrokerPolicyTest, TakesMeasurementAndDigestFromFiles) {
  Write("guest-image.json", R"({"measurements":{"emulated":")" + kMeasurement + R"("}})");
  ASSERT_EQ(cli_.Run({"initdata", "create", "--allow-keyed", "-o", Path("app.toml")}).exit_code, 0);
  const auto policy = MakeReleasePolicy({.uri = kUri,
                                         .tees = {"emulated"},
                                         .guest_image_files = {Path("guest-image.json")},
                                         .initdata_files = {Path("app.toml")}});
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(HexEncode(policy->measurements.at(0)), kMeasurement);
  EXPECT_EQ(HexEncode(policy->host_data.at(0)) + "\n",
            cli_.Run({"initdata", "digest", Path("app.toml")}).out);
}

TEST_F(BrokerPolicyTest, RefusesWhatWouldMeanSomethingElse) {
  const auto refusal = [](const AllowRequest& request) {
    const auto policy = MakeReleasePolicy(request);
    return policy.ok() ? std::string("accepted") : policy.error().message();
  };
  const AllowRequest good{.uri = kUri,
                          .tees = {"snp"},
                          .measurements = {kMeasurement},
                          .host_data = {kHostData},
                          .min_tcb = kMinTcb};
  ASSERT_EQ(refusal(good), "accepted");
  AllowRequest bad = good;
  bad.measurements = {"11"};
  EXPECT_THAT(refusal(bad), HasSubstr("measurement '11' is not 96 hex digits"));
  bad = good;
  bad.host_data = {kMeasurement};
  EXPECT_THAT(refusal(bad), HasSubstr("is not 64 hex digits"));
  bad = good;
  bad.measurements = {};
  EXPECT_THAT(refusal(bad), HasSubstr("release policy: "));
  bad = good;
  bad.guest_image_files = {Write("guest-image.json", R"({"measurements":{"emulated":"x"}})")};
  EXPECT_THAT(refusal(bad), HasSubstr("has no measurement for TEE 'snp'"));
  bad.guest_image_files = {Write("guest-image.json", "{}")};
  EXPECT_THAT(refusal(bad), HasSubstr("not a guest-image.json"));
  bad = good;
  bad.initdata_files = {Write("bad.toml", "x = 1")};
  EXPECT_THAT(refusal(bad), HasSubstr("initdata '" + Path("bad.toml") + "'"));
}

TEST_F(BrokerPolicyTest, AsksForTheLeastTcbOfSnpGuestsInFull) {
  const auto made = [](const std::vector<std::string>& tees, const MinTcbOptions& min_tcb) {
    const auto policy = MakeReleasePolicy({.uri = kUri,
                                           .tees = tees,
                                           .measurements = {kMeasurement},
                                           .host_data = {kHostData},
                                           .min_tcb = min_tcb});
    return policy.ok() ? DescribePolicy(*policy) : policy.error().message();
  };
  EXPECT_THAT(made({"snp"}, {}), HasSubstr("states no minimum TCB"));
  EXPECT_THAT(made({"snp"}, {}), HasSubstr("or --min-tcb-any"));
  EXPECT_THAT(made({"emulated", "snp"}, {}), HasSubstr("states no minimum TCB"));
  EXPECT_THAT(made({"snp"}, {.boot_loader = 0, .tee = 0, .snp = 0, .microcode = 0, .fmc = 0}),
              HasSubstr("states no minimum TCB"))
      << "zero throughout is any, and has to be said";
  EXPECT_EQ(made({"snp"}, {.boot_loader = 4, .snp = 24}),
            "minimum TCB: also give --min-tcb-tee --min-tcb-microcode --min-tcb-fmc; 0 accepts "
            "every level");
  EXPECT_THAT(made({"snp"}, {.snp = 24, .any = true}), HasSubstr("cannot be used with"));
  EXPECT_THAT(made({"snp"}, {.any = true}), HasSubstr("min TCB      any"));
  EXPECT_THAT(made({"emulated"}, {}), ::testing::Not(HasSubstr("TCB")));
}

TEST_F(BrokerPolicyTest, RefusesWrongUsage) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"allow", kUri, "--tee", "snp", "--host-data", kHostData},
       "give the guests that may have it"},
      {{"allow", kUri, "--tee", "snp", "--measurement", kMeasurement},
       "give the initdata that they must have"},
      {{"allow", kUri, "--measurement", kMeasurement}, "--tee is required"},
      {{"allow", kUri, "--tee", "sgx"}, "--tee"},
      {{"allow", kUri, "--tee", "snp", "--min-tcb-snp", "256"}, "--min-tcb-snp"},
      {{"allow", kUri, "--tee", "snp", "--measurement", kMeasurement, "--host-data", kHostData},
       "states no minimum TCB"},
      {{"allow", kUri, "--tee", "snp", "--measurement", kMeasurement, "--host-data", kHostData,
        "--min-tcb-any", "--require-platform", "quiet"},
       "'quiet' is none of platform_info's names"},
      {{"deny", "kbs:///a/b"}, "URI: "},
      {{"set-resource", "a/b/c", "x"}, "URI: "},
      {{"set-resource", kUri}, "FILE is required"}};
  for (const auto& [arguments, reason] : cases) {
    const auto done = Broker(arguments);
    EXPECT_EQ(done.exit_code, 2) << reason;
    EXPECT_THAT(done.err, HasSubstr(reason));
  }
  const std::vector<std::pair<std::string, std::string>> needed = {
      {"LOCKET_BROKER_URL", "--url"},
      {"LOCKET_BROKER_CA", "--ca"},
      {"LOCKET_BROKER_ADMIN_KEY", "--admin-key"}};
  for (const auto& [variable, option] : needed) {
    const auto kept = cli_.environment;
    cli_.environment.erase(variable);
    const auto done = Broker({"list"});
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_THAT(done.err, HasSubstr("give " + option + " or set " + variable));
    cli_.environment = kept;
  }
}

TEST_F(BrokerPolicyTest, NamesFilesThatAreNotThere) {
  EXPECT_THAT(Broker({"list"}).err, HasSubstr(Path("ca.pem")));
  Write("ca.pem", "x");
  const auto done = Broker({"list"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("admin key: open '" + Path("admin.key") + "'"));
}

}  // namespace
}  // namespace locket::cli
