// Against the real broker, in this process, over TLS on a free port.
#include "key-broker/broker.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/subprocess.h"
#include "key-broker/fake_audit_log.h"
#include "key-broker/fake_store.h"
#include "key-broker/server.h"
#include "tests/cli/cli_harness.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kUri = "kbs:///team/key/app";

class BrokerTest : public CliTest {
 protected:
  void SetUp() override {
    Openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-keyout", Path("tls.key"), "-out",
             Path("tls.pem"), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"});
    for (const char* name : {"admin", "other"}) {
      Openssl({"genpkey", "-algorithm", "ed25519", "-out", Path(std::string(name) + ".key")});
    }
    Openssl({"pkey", "-in", Path("admin.key"), "-pubout", "-out", Path("admin.pub")});
    auto broker = key_broker::Broker::Create(
        {.verifiers = {}, .admin_public_pem = Read(Path("admin.pub"))}, store_, audit_, clock_);
    ASSERT_TRUE(broker.ok()) << broker.error().message();
    broker_ = std::move(broker).value();
    auto server = key_broker::Server::Start(
        {.host = "127.0.0.1", .certificate_file = Path("tls.pem"), .key_file = Path("tls.key")},
        *broker_);
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = std::move(server).value();
    cli_.environment = {
        {"LOCKET_BROKER_URL", "https://127.0.0.1:" + std::to_string(server_->port())},
        {"LOCKET_BROKER_CA", Path("tls.pem")},
        {"LOCKET_BROKER_ADMIN_KEY", Path("admin.key")}};
  }

  static void Openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const auto output = RunCommand(arguments);
    ASSERT_TRUE(output.ok());
    ASSERT_EQ(output->exit_status, 0) << output->standard_error;
  }
  CliResult Broker(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "broker");
    return cli_.Run(arguments);
  }

  const SystemClock clock_;
  key_broker::FakeStore store_;
  key_broker::FakeAuditLog audit_;
  std::unique_ptr<key_broker::Broker> broker_;
  std::unique_ptr<key_broker::Server> server_;
};

TEST_F(BrokerTest, ResourceAndPolicyComeAndGo) {
  const auto set = Broker({"set-resource", kUri, Write("kek", "the key itself")});
  ASSERT_EQ(set.exit_code, 0) << set.err;
  EXPECT_EQ(set.out, "stored " + kUri + "\n");
  EXPECT_THAT(Broker({"list"}).out,
              AllOf(HasSubstr(kUri + "  (no release policy"), Not(HasSubstr("the key itself"))));
  const std::string measurement(96, '1');
  const auto allow = Broker({"allow",
                             kUri,
                             "--tee",
                             "snp",
                             "--tee",
                             "emulated",
                             "--measurement",
                             measurement,
                             "--host-data",
                             std::string(64, '2'),
                             "--min-tcb-boot-loader",
                             "4",
                             "--min-tcb-tee",
                             "0",
                             "--min-tcb-snp",
                             "8",
                             "--min-tcb-microcode",
                             "115",
                             "--min-tcb-fmc",
                             "0"});
  ASSERT_EQ(allow.exit_code, 0) << allow.err;
  const json list = json::parse(Broker({"list", "--json"}).out);
  EXPECT_EQ(list["resources"], json::array({kUri}));
  ASSERT_EQ(list["policies"].size(), 1U);
  EXPECT_EQ(list["policies"][0]["resource"], "team/key/app");
  EXPECT_EQ(list["policies"][0]["tee"], json::array({"snp", "emulated"}));
  EXPECT_EQ(list["policies"][0]["measurements"], json::array({measurement}));
  EXPECT_EQ(list["policies"][0]["min_tcb"]["snp"], 8);

  EXPECT_EQ(Broker({"deny", kUri}).out, "denied " + kUri + "\n");
  EXPECT_EQ(Broker({"delete-resource", kUri}).out, "deleted " + kUri + "\n");
  EXPECT_EQ(json::parse(Broker({"list", "--json"}).out),
            json::parse(R"({"resources":[],"policies":[]})"));
  const auto again = Broker({"delete-resource", kUri});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("delete-resource '" + kUri + "'"));
}

TEST_F(BrokerTest, AnotherKeyIsNoAdministrator) {
  cli_.environment["LOCKET_BROKER_ADMIN_KEY"] = Path("other.key");
  const auto list = Broker({"list"});
  EXPECT_EQ(list.exit_code, 1);
  EXPECT_THAT(list.err, HasSubstr("locket: broker 'https://127.0.0.1:"));
}

TEST_F(BrokerTest, AnotherCaIsNotTrusted) {
  Openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-subj", "/CN=other", "-keyout", Path("x.key"), "-out", Path("x.pem")});
  cli_.environment["LOCKET_BROKER_CA"] = Path("x.pem");
  const auto set = Broker({"set-resource", kUri, Write("kek", "k")});
  EXPECT_EQ(set.exit_code, 1);
  EXPECT_THAT(set.err, HasSubstr("certificate"));
}

TEST_F(BrokerTest, BrokerThatIsNotThereIsNamed) {
  const std::string url = cli_.environment["LOCKET_BROKER_URL"];
  server_.reset();
  const auto list = Broker({"list"});
  EXPECT_EQ(list.exit_code, 1);
  EXPECT_THAT(list.err, AllOf(HasSubstr(url), HasSubstr("refused")));
}

}  // namespace
}  // namespace locket::cli
