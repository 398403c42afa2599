// locket-broker as its users run it: configuration, signals, what it says.
#include "tests/key-broker/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "base/encoding.h"
#include "tests/attest/testing.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ProgramTest : public ::testing::Test {
 protected:
  BrokerProgram program_;
};

TEST_F(ProgramTest, ServesKeepsWhatItWasToldAndStopsOnSigterm) {
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(program_.Start(), HasSubstr("EMULATED TEE ALLOWED"));
    auto admin = program_.Admin();
    const auto path = *ResourceName::FromPath("a/b/c");
    if (round == 0) {
      ASSERT_TRUE(admin.SetResource(path, AsBytes("kept secret")).ok());
    }
    EXPECT_THAT(admin.ListResources().value(), ::testing::ElementsAre(path)) << round;
    EXPECT_EQ(program_.Stop(), 0);
  }
  const std::string audit = attest::ReadText(program_.audit_log());
  EXPECT_THAT(audit, HasSubstr("set-resource"));
  EXPECT_THAT(audit, Not(HasSubstr("kept secret")));
}

TEST_F(ProgramTest, OpensItsAuditLogAgainOnSighup) {
  program_.Start();
  auto admin = program_.Admin();
  ASSERT_TRUE(admin.ListResources().ok());
  const auto moved = program_.directory() / "moved.jsonl";
  std::filesystem::rename(program_.audit_log(), moved);
  ASSERT_TRUE(program_.process().Kill(SIGHUP).ok());
  program_.WaitForLog("audit log opened again");
  ASSERT_TRUE(admin.SetResource(*ResourceName::FromPath("a/b/c"), AsBytes("x")).ok());
  EXPECT_EQ(program_.Stop(), 0) << "SIGHUP ends nothing";
  EXPECT_THAT(attest::ReadText(moved),
              AllOf(HasSubstr("list-resources"), Not(HasSubstr("set-resource"))));
  EXPECT_THAT(attest::ReadText(program_.audit_log()), HasSubstr("set-resource"));
}

TEST_F(ProgramTest, ChecksItsConfiguration) {
  EXPECT_EQ(BrokerProgram::Run({"--check-config", "--config", program_.Configure("127.0.0.1:0")})
                .exit_status,
            0);
  const auto unknown = BrokerProgram::Run(
      {"--check-config", "--config", program_.Configure("127.0.0.1:0", "x = 1\n")});
  EXPECT_EQ(unknown.exit_status, 1);
  EXPECT_THAT(unknown.standard_error, HasSubstr("key 'emulated.x': unknown"));
  const std::string file = program_.Configure("127.0.0.1:0");
  std::string text = attest::ReadText(file);
  text.replace(text.find("server.key"), std::string_view("server.key").size(), "admin.key");
  std::ofstream(file) << text;
  const auto no_pair = BrokerProgram::Run({"--check-config", "--config", file});
  EXPECT_EQ(no_pair.exit_status, 1);
  EXPECT_THAT(no_pair.standard_error,
              HasSubstr("tls: key '" + (attest::TestTlsDirectory() / "admin.key").string()));
  EXPECT_THAT(BrokerProgram::Run({"--config", "/absent"}).standard_error, HasSubstr("/absent"));
  EXPECT_EQ(BrokerProgram::Run({"--nonsense"}).exit_status, 2);
  EXPECT_EQ(BrokerProgram::Run({"--version"}).standard_output,
            "locket-broker " LOCKET_VERSION "\n");
}

TEST_F(ProgramTest, NamesAnAddressItCannotHave) {
  const auto refused = BrokerProgram::Run({"--config", program_.Configure("192.0.2.1:1")});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.standard_error, HasSubstr("listen on 192.0.2.1:1"));
}

}  // namespace
}  // namespace locket::key_broker
