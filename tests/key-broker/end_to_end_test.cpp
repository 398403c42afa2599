// Broker, guest's client and administrator's client over real TLS on loopback.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "attest/http/http_message.h"
#include "attest/http/https_client.h"
#include "attest/kbs/broker_admin_client.h"
#include "attest/kbs/kbs_client.h"
#include "base/encoding.h"
#include "base/file.h"
#include "key-broker/fake_audit_log.h"
#include "key-broker/fake_store.h"
#include "key-broker/server.h"
#include "tests/key-broker/guest.h"
#include "tests/key-broker/program.h"
#include "tests/key-broker/raw_tls.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::filesystem::path& Tls() { return attest::TestTlsDirectory(); }

// Whatever is asked for: the broker's name leads nowhere in a test.
attest::Dialer DialerTo(std::string address) {
  return [address = std::move(address)](const std::string&, std::chrono::milliseconds timeout) {
    return attest::TcpDialer()(address, timeout);
  };
}

class EndToEndTest : public ::testing::Test {
 protected:
  EndToEndTest() { StartServer("server.pem"); }

  void StartServer(const std::string& certificate) {
    server_.reset();
    broker_ =
        Broker::Create({.verifiers = TestVerifiers(), .admin_public_pem = TlsText("admin.pub")},
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
            .dial = DialerTo(address_),
            .initdata_toml = std::string(kInitdata)};
  }
  Result<Secret> Get(attest::KbsClientOptions options, const std::string& uri) {
    auto client = attest::KbsClient::Create(std::move(options), source_);
    EXPECT_TRUE(client.ok()) << client.error().message();
    LOCKET_TRY_ASSIGN(const auto name, ResourceName::FromUri(uri));
    return (*client)->FetchSecret(name);
  }
  attest::BrokerAdminClient Admin(const std::string& key = "admin.key",
                                  const std::string& ca = "ca.pem") const {
    return attest::BrokerAdminClient::Create({.url = "https://broker.test",
                                              .ca_pem = TlsText(ca),
                                              .private_key_pem = SecretOf(TlsText(key)),
                                              .dial = DialerTo(address_)},
                                             clock_)
        .value();
  }
  void Provide(const std::string& path, const std::string& value) {
    auto admin = Admin();
    ASSERT_TRUE(admin.SetResource(*ResourceName::FromPath(path), AsBytes(value)).ok());
    ASSERT_TRUE(admin.SetReleasePolicy(TestPolicy(path)).ok());
  }
  Result<attest::HttpResponse> Raw(const attest::HttpRequest& request) const {
    const auto http = attest::HttpsClient::Create({.url = "https://broker.test",
                                                   .ca_pem = TlsText("ca.pem"),
                                                   .dial = DialerTo(address_),
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
    const auto first = (*client)->FetchSecret(ResourceName::FromUri("kbs:///a/b/c").value());
    ASSERT_TRUE(first.ok()) << first.error().message();
    EXPECT_EQ(AsText(first->Reveal()), "first");
  }
  EXPECT_EQ((*client)->FetchSecret(ResourceName::FromUri("kbs:///a/b/d").value())->Reveal().size(),
            200000U);
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
             return DialerTo(address_)(host, timeout);
           }},
      source_);
  ASSERT_TRUE((*client)->FetchSecret(ResourceName::FromUri("kbs:///a/b/c").value()).ok());
  StartServer("server.pem");  // knows no session and signs with another key
  const auto again = (*client)->FetchSecret(ResourceName::FromUri("kbs:///a/b/c").value());
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
              ::testing::ElementsAre(*ResourceName::FromPath("a/b/c")));
  EXPECT_THAT(admin.ListReleasePolicies().value(), ::testing::ElementsAre(TestPolicy("a/b/c")));
  const auto path = *ResourceName::FromPath("a/b/c");
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

TEST_F(EndToEndTest, BodiesAboveTheLimitAreRefusedAndSmallerForStrangers) {
  const auto answer = [&](const std::string& path, size_t size) {
    RawTls raw(server_->port());
    EXPECT_TRUE(raw.Send("POST " + path + " HTTP/1.1\r\nHost: b\r\nContent-Length: " +
                         std::to_string(size) + "\r\n\r\n"));
    if (size <= 8192) raw.Send(std::string(size, 'x'));
    return raw.ReceiveAll();
  };
  constexpr size_t kLarge = (1U << 20) + 1;
  EXPECT_THAT(answer("/kbs/v0/attest", kLarge), HasSubstr("above the limit of 1048576 bytes"));
  EXPECT_THAT(answer("/kbs/v0/auth", kLarge), HasSubstr("above the limit of 4096 bytes"));
  EXPECT_THAT(answer("/kbs/v0/auth", 4097), HasSubstr(" 413 "));
  EXPECT_THAT(answer("/kbs/v0/resource/a/b/c", kLarge), HasSubstr("token is missing"));
  EXPECT_THAT(answer("/nowhere", kLarge), HasSubstr(" 404 "));
  EXPECT_EQ(Raw({.method = "GET", .path = "/kbs/v0/none"})->status, 404) << "and it lives";
}

TEST_F(EndToEndTest, AStrangersUploadIsReadBeforeItIsRefusedSoThatTheReasonArrives) {
  const std::string body(200000, 'x');
  const auto response = Raw({.method = "POST",
                             .path = "/kbs/v0/resource/a/b/c",
                             .headers = {{"Authorization", "Bearer x"}},
                             .body = AsBytes(body)});
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->status, 401);
  EXPECT_THAT(response->body, HasSubstr("three parts"));
}

TEST_F(EndToEndTest, ChunkedBodiesCountAsWell) {
  for (const char* path : {"/kbs/v0/auth", "/kbs/v0/attest", "/nowhere"}) {
    RawTls raw(server_->port());
    raw.Send("POST " + std::string(path) + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    size_t sent = 0;
    while (sent < 1000 && raw.Send(chunk)) ++sent;
    EXPECT_LT(sent, 1000U) << path << ": 64 MiB were taken";
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
  const auto fd = DialerTo(address_)("", 5s);
  ASSERT_TRUE(WriteFull(fd->get(), AsBytes("GET / HTTP/1.1\r\n\r\n")).ok());
  EXPECT_TRUE(Get(Options(), "kbs:///a/b/c").ok());
}

}  // namespace
}  // namespace locket::key_broker
