// Broker, guest's client and administrator's client over real TLS on loopback, and the program.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "attest/broker_admin_client.h"
#include "attest/http_message.h"
#include "attest/https_client.h"
#include "attest/kbs_client.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "key-broker/fake_store.h"
#include "key-broker/server.h"
#include "tests/key-broker/guest.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::filesystem::path& Tls() { return attest::TestTlsDirectory(); }
std::string TlsText(const std::string& name) { return attest::ReadText(Tls() / name); }

Secret SecretOf(const std::string& text) {
  Secret out(text.size());
  std::copy_n(AsBytes(text).begin(), text.size(), out.Reveal().begin());
  return out;
}

class EndToEndTest : public ::testing::Test {
 protected:
  EndToEndTest() { StartServer("server.pem"); }

  void StartServer(const std::string& certificate) {
    server_.reset();
    broker_ = Broker::Create({.roots = {attest::TestSnpRoot()},
                              .allow_emulated = true,
                              .admin_public_pem = TlsText("admin.pub")},
                             store_, audit_, clock_)
                  .value();
    auto server = Server::Start({.host = "127.0.0.1",
                                 .port = 0,
                                 .certificate_file = Tls() / certificate,
                                 .key_file = Tls() / "server.key",
                                 .threads = 4},
                                *broker_);
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = *std::move(server);
    address_ = "127.0.0.1:" + std::to_string(server_->port());
  }

  attest::KbsClientOptions Options() const {
    return {.url = "https://broker.test",
            .ca_pem = TlsText("ca.pem"),
            .dial = attest::TcpDialerTo(address_),
            .initdata_toml = std::string(kInitdata)};
  }
  Result<Secret> Get(attest::KbsClientOptions options, const std::string& uri) {
    auto client = attest::KbsClient::Create(std::move(options), source_);
    EXPECT_TRUE(client.ok()) << client.error().message();
    return (*client)->GetResource(uri);
  }
  attest::BrokerAdminClient Admin(const std::string& key = "admin.key",
                                  const std::string& ca = "ca.pem") const {
    return attest::BrokerAdminClient::Create({.url = "https://broker.test",
                                              .ca_pem = TlsText(ca),
                                              .private_key_pem = SecretOf(TlsText(key)),
                                              .dial = attest::TcpDialerTo(address_)},
                                             clock_)
        .value();
  }
  void Provide(const std::string& path, const std::string& value) {
    auto admin = Admin();
    ASSERT_TRUE(admin.SetResource(*attest::ParseResourcePath(path), AsBytes(value)).ok());
    ASSERT_TRUE(admin.SetReleasePolicy(TestPolicy(path)).ok());
  }
  Result<attest::HttpResponse> Raw(const attest::HttpRequest& request) const {
    const auto http = attest::HttpsClient::Create({.url = "https://broker.test",
                                                   .ca_pem = TlsText("ca.pem"),
                                                   .dial = attest::TcpDialerTo(address_),
                                                   .timeout = 30s,
                                                   .times = attest::CertificateTimes::kCheck});
    return http->Exchange(request);
  }

  SystemClock clock_;
  FakeStore store_;
  FakeAuditLog audit_;
  attest::FakeEvidenceSource source_ = SourceFor(TestLaunch());
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Server> server_;
  std::string address_;
};

TEST_F(EndToEndTest, AGuestGetsItsSecretsWithOneAttestation) {
  Provide("a/b/c", "first");
  Provide("a/b/d", std::string(200000, 's'));
  auto client = attest::KbsClient::Create(Options(), source_);
  ASSERT_TRUE(client.ok()) << client.error().message();
  for (int i = 0; i < 2; ++i) {
    const auto first = (*client)->GetResource("kbs:///a/b/c");
    ASSERT_TRUE(first.ok()) << first.error().message();
    EXPECT_EQ(AsText(first->Reveal()), "first");
  }
  EXPECT_EQ((*client)->GetResource("kbs:///a/b/d")->Reveal().size(), 200000U);
  EXPECT_EQ(source_.calls(), 1);
}

TEST_F(EndToEndTest, AGuestAttestsAgainOnceWhenItsSessionHasEnded) {
  Provide("a/b/c", "secret");
  auto client = attest::KbsClient::Create(
      {.url = "https://broker.test",
       .ca_pem = TlsText("ca.pem"),
       // The address of the day: a restarted broker has another port.
       .dial =
           [this](const std::string& host, std::chrono::milliseconds timeout) {
             return attest::TcpDialerTo(address_)(host, timeout);
           }},
      source_);
  ASSERT_TRUE((*client)->GetResource("kbs:///a/b/c").ok());
  StartServer("server.pem");  // knows no session and signs with another key
  const auto again = (*client)->GetResource("kbs:///a/b/c");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(source_.calls(), 2);
}

TEST_F(EndToEndTest, ADenialReachesTheGuestInTheBrokersWords) {
  Provide("a/b/c", "secret");
  auto launch = TestLaunch();
  launch.measurement.fill(std::byte{0x22});
  source_ = SourceFor(launch);
  const auto denied = Get(Options(), "kbs:///a/b/c");
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(denied.error().message(), HasSubstr("broker 'https://broker.test'"));
  EXPECT_THAT(denied.error().message(),
              HasSubstr("measurement " + std::string(96, '2') + " is not among the 1 allowed"));
  EXPECT_EQ(source_.calls(), 1) << "a denial is no reason to attest again";
}

TEST_F(EndToEndTest, EachRefusalHasItsCode) {
  const auto none = Get(Options(), "kbs:///a/b/none");
  EXPECT_EQ(none.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(none.error().message(), HasSubstr("no release policy for a/b/none"));
  ASSERT_TRUE(Admin().SetReleasePolicy(TestPolicy("a/b/none")).ok());
  EXPECT_EQ(Get(Options(), "kbs:///a/b/none").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Get(Options(), "kbs:///a/b").error().code(), ErrorCode::kInvalidArgument);
  auto options = Options();
  options.initdata_toml += "# other\n";
  const auto lied = Get(options, "kbs:///a/b/c");
  EXPECT_EQ(lied.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(lied.error().message(), HasSubstr("host_data"));
}

TEST_F(EndToEndTest, EvidenceThatCannotBeHadIsNamed) {
  source_ = attest::FakeEvidenceSource([](const attest::ReportData&) -> Result<attest::Evidence> {
    return Error(ErrorCode::kUnavailable, "the port is closed");
  });
  EXPECT_THAT(Get(Options(), "kbs:///a/b/c").error().message(),
              HasSubstr("obtain evidence: the port is closed"));
}

TEST_F(EndToEndTest, ABrokerThatIsDownIsNamed) {
  server_.reset();
  const auto down = Get(Options(), "kbs:///a/b/c");
  EXPECT_EQ(down.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(down.error().message(), HasSubstr("broker 'https://broker.test': connect"));
  EXPECT_THAT(down.error().message(), HasSubstr("Connection refused"));
}

TEST_F(EndToEndTest, ABrokerUnderAnotherCaIsRefusedEvenIfTheSystemTrustsIt) {
  auto options = Options();
  options.ca_pem = TlsText("other-ca.pem");
  // What OpenSSL would take for the system's roots.
  ::setenv("SSL_CERT_FILE", (Tls() / "ca.pem").c_str(), 1);
  const auto refused = Get(options, "kbs:///a/b/c");
  ::unsetenv("SSL_CERT_FILE");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("certificate is refused: unable to get local"));
}

TEST_F(EndToEndTest, ABrokerOfAnotherNameIsRefused) {
  for (const auto& [url, reason] : {std::pair{"https://other.test", "hostname mismatch"},
                                    {"https://127.0.0.2", "IP address mismatch"}}) {
    auto options = Options();
    options.url = url;
    EXPECT_THAT(Get(options, "kbs:///a/b/c").error().message(), HasSubstr(reason));
  }
  Provide("a/b/c", "secret");
  auto options = Options();
  options.url = "https://" + address_;
  EXPECT_TRUE(Get(options, "kbs:///a/b/c").ok()) << "its address is in the certificate, too";
}

TEST_F(EndToEndTest, CertificateTimesAreTheAdministratorsBusinessNotTheGuests) {
  Provide("a/b/c", "secret");
  StartServer("expired.pem");
  const auto guest = Get(Options(), "kbs:///a/b/c");
  EXPECT_TRUE(guest.ok()) << guest.error().message();
  EXPECT_THAT(Admin().ListResources().error().message(), HasSubstr("certificate has expired"));
}

TEST_F(EndToEndTest, ASilentBrokerIsGivenUpOn) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  const UniqueFd silent(fds[1]);
  auto options = Options();
  options.timeout = 100ms;
  options.dial = [mine = fds[0]](const std::string&, std::chrono::milliseconds) {
    return Result<UniqueFd>(UniqueFd(mine));
  };
  EXPECT_EQ(Get(options, "kbs:///a/b/c").error().code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(EndToEndTest, AnAdministratorManagesResourcesAndPolicies) {
  auto admin = Admin();
  Provide("a/b/c", "secret");
  EXPECT_THAT(admin.ListResources().value(),
              ::testing::ElementsAre(*attest::ParseResourcePath("a/b/c")));
  EXPECT_THAT(admin.ListReleasePolicies().value(), ::testing::ElementsAre(TestPolicy("a/b/c")));
  const auto path = *attest::ParseResourcePath("a/b/c");
  EXPECT_TRUE(admin.DeleteReleasePolicy(path).ok());
  EXPECT_EQ(admin.DeleteReleasePolicy(path).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(admin.DeleteResource(path).ok());
  EXPECT_EQ(admin.DeleteResource(path).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(admin.SetResource(path, {}).error().code(), ErrorCode::kInvalidArgument);
  auto stranger = Admin("other-admin.key");
  const auto refused = stranger.ListResources();
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("not signed by the expected key"));
  auto misled = Admin("admin.key", "other-ca.pem");
  EXPECT_THAT(misled.ListResources().error().message(), HasSubstr("certificate is refused"));
}

TEST_F(EndToEndTest, BodiesAboveTheLimitAreRefused) {
  const std::string large((1U << 20) + 1, 'x');
  for (const char* path : {"/kbs/v0/auth", "/kbs/v0/resource/a/b/c", "/nowhere"}) {
    const auto response = Raw({.method = "POST", .path = path, .body = AsBytes(large)});
    // The broker may hang up before it has read all of it.
    if (!response.ok()) {
      EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable) << response.error().message();
      continue;
    }
    EXPECT_EQ(response->status, 413) << path;
    EXPECT_THAT(response->body, HasSubstr("above the limit of 1048576 bytes"));
  }
  EXPECT_EQ(Raw({.method = "GET", .path = "/kbs/v0/none"})->status, 404) << "and it lives";
}

TEST_F(EndToEndTest, ChunkedBodiesCountAsWell) {
  std::string chunks;
  for (int i = 0; i < 20; ++i) chunks += "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  chunks += "0\r\n\r\n";
  const auto response = Raw({.method = "POST",
                             .path = "/kbs/v0/auth",
                             .headers = {{"Transfer-Encoding", "chunked"}},
                             .body = AsBytes(chunks)});
  if (response.ok()) {
    EXPECT_NE(response->status, 200);
  }
  EXPECT_THAT(audit_.entries(), ::testing::IsEmpty());
  EXPECT_EQ(Raw({.method = "GET", .path = "/kbs/v0/none"})->status, 404) << "and it lives";
}

TEST_F(EndToEndTest, OddRequestsAreAnsweredWithAProblem) {
  const std::tuple<attest::HttpRequest, int> table[] = {
      {{.method = "PUT", .path = "/kbs/v0/auth"}, 404},
      {{.method = "GET", .path = "/" + std::string(5000, 'a')}, 404},
      {{.method = "POST", .path = "/kbs/v0/auth"}, 400},
      {{.method = "POST",
        .path = "/kbs/v0/auth",
        .headers = {{"Content-Type", "multipart/form-data; boundary=x"}}},
       400}};
  for (const auto& [request, status] : table) {
    const auto response = Raw(request);
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(response->status, status) << request.method << request.path.substr(0, 40);
    EXPECT_TRUE(attest::DecodeProblem(response->body).ok()) << response->body;
  }
}

TEST_F(EndToEndTest, GarbageInsteadOfTlsHarmsNoOneElse) {
  Provide("a/b/c", "secret");
  const auto fd = attest::TcpDialerTo(address_)("", 5s);
  ASSERT_TRUE(WriteFull(fd->get(), AsBytes("GET / HTTP/1.1\r\n\r\n")).ok());
  EXPECT_TRUE(Get(Options(), "kbs:///a/b/c").ok());
}

TEST(ServerTest, NamesTheTlsFileThatIsWrong) {
  FakeStore store;
  FakeAuditLog audit;
  const SystemClock clock;
  const auto broker = Broker::Create({.roots = {}}, store, audit, clock);
  const auto refusal = [&](const std::string& certificate, const std::string& key) {
    return Server::Start({.host = "127.0.0.1", .certificate_file = certificate, .key_file = key},
                         **broker)
        .error()
        .message();
  };
  EXPECT_THAT(refusal("/absent", Tls() / "server.key"), HasSubstr("certificate '/absent'"));
  EXPECT_THAT(refusal(Tls() / "server.pem", Tls() / "ca.key"), HasSubstr("key values mismatch"));
}

// The program itself.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() : directory_(TempDir::Create("/tmp", "broker").value()) {}

  std::string Configure(const std::string& listen, const std::string& more = "") const {
    const std::string file = directory_.path() / "broker.toml";
    std::ofstream(file) << "listen = \"" << listen
                        << "\"\nstore_dir = " << directory_.path() / "store"
                        << "\naudit_log = " << directory_.path() / "audit.jsonl"
                        << "\n[tls]\ncertificate = " << Tls() / "server.pem"
                        << "\nkey = " << Tls() / "server.key"
                        << "\n[admin]\npublic_key = " << Tls() / "admin.pub"
                        << "\n[emulated]\nallow = true\nroot = "
                        << attest::TestRootDirectory() / "ark.pem"
                        << "\n"
                        << more;
    return file;
  }
  static CommandOutput Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> argv{std::string(LOCKET_BINARY_DIR) + "/bin/locket-broker"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return RunCommand(argv).value();
  }
  TempDir directory_;
};

TEST_F(ProgramTest, ServesKeepsWhatItWasToldAndStopsOnSigterm) {
  const SystemClock clock;
  const std::string config = Configure("127.0.0.1:0");
  for (int round = 0; round < 2; ++round) {
    std::array<int, 2> log{};
    ASSERT_EQ(::pipe2(log.data(), O_CLOEXEC), 0);
    const UniqueFd read_end(log[0]);
    UniqueFd write_end(log[1]);
    auto broker = Subprocess::Start(
        {std::string(LOCKET_BINARY_DIR) + "/bin/locket-broker", "--config", config},
        {.stderr_fd = write_end.get()});
    ASSERT_TRUE(broker.ok());
    write_end.reset();
    std::string text;
    const std::string words = "listening on 127.0.0.1:";
    size_t at = std::string::npos;
    while (at == std::string::npos || text.find('\n', at) == std::string::npos) {
      std::array<char, 512> buffer{};
      const ssize_t got = ::read(read_end.get(), buffer.data(), buffer.size());
      ASSERT_GT(got, 0) << text;
      text.append(buffer.data(), static_cast<size_t>(got));
      at = text.find(words);
    }
    EXPECT_THAT(text, HasSubstr("EMULATED TEE ALLOWED"));
    const int port = std::stoi(text.substr(at + words.size()));
    auto admin =
        attest::BrokerAdminClient::Create({.url = "https://127.0.0.1:" + std::to_string(port),
                                           .ca_pem = TlsText("ca.pem"),
                                           .private_key_pem = SecretOf(TlsText("admin.key"))},
                                          clock);
    ASSERT_TRUE(admin.ok());
    const auto path = *attest::ParseResourcePath("a/b/c");
    if (round == 0) {
      ASSERT_TRUE(admin->SetResource(path, AsBytes("kept secret")).ok());
    }
    EXPECT_THAT(admin->ListResources().value(), ::testing::ElementsAre(path)) << round;
    ASSERT_TRUE(broker->Kill(SIGTERM).ok());
    EXPECT_EQ(broker->Wait(30s).value(), 0);
  }
  const std::string audit = attest::ReadText(directory_.path() / "audit.jsonl");
  EXPECT_THAT(audit, HasSubstr("set-resource"));
  EXPECT_THAT(audit, ::testing::Not(HasSubstr("kept secret")));
}

TEST_F(ProgramTest, ChecksItsConfiguration) {
  EXPECT_EQ(Run({"--check-config", "--config", Configure("127.0.0.1:0")}).exit_status, 0);
  const auto unknown = Run({"--check-config", "--config", Configure("127.0.0.1:0", "x = 1\n")});
  EXPECT_EQ(unknown.exit_status, 1);
  EXPECT_THAT(unknown.standard_error, HasSubstr("key 'emulated.x': unknown"));
  const std::string file = Configure("127.0.0.1:0");
  std::string text = attest::ReadText(file);
  text.replace(text.find("server.key"), std::string_view("server.key").size(), "admin.key");
  std::ofstream(file) << text;
  const auto no_pair = Run({"--check-config", "--config", file});
  EXPECT_EQ(no_pair.exit_status, 1);
  EXPECT_THAT(no_pair.standard_error, HasSubstr("tls: key '" + (Tls() / "admin.key").string()));
  EXPECT_THAT(Run({"--config", "/absent"}).standard_error, HasSubstr("/absent"));
  EXPECT_EQ(Run({"--nonsense"}).exit_status, 2);
  EXPECT_EQ(Run({"--version"}).standard_output, "locket-broker " LOCKET_VERSION "\n");
}

TEST_F(ProgramTest, NamesAnAddressItCannotHave) {
  const auto refused = Run({"--config", Configure("192.0.2.1:1")});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.standard_error, HasSubstr("listen on 192.0.2.1:1"));
}

}  // namespace
}  // namespace locket::key_broker
