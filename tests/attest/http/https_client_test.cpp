// One HTTPS exchange: who is trusted, what is sent, and every way it can end.
#include "attest/http/https_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "base/encoding.h"
#include "tests/attest/scripted_server.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

struct Call {
  std::string url = "https://broker.test";
  std::string ca = "ca.pem";
  CertificateTimes times = CertificateTimes::kCheck;
  HttpRequest request{.method = "GET", .path = "/x"};
};

Result<HttpResponse> Exchange(ScriptedServer& server, const Call& call = {}) {
  const auto client = HttpsClient::Create({.url = call.url,
                                           .ca_pem = ReadText(TestTlsDirectory() / call.ca),
                                           .dial = server.Dial(),
                                           .timeout = 30s,
                                           .times = call.times});
  EXPECT_TRUE(client.ok());
  return client->Exchange(call.request);
}

TEST(HttpsClientTest, TrustsTheGivenCaAndTheNameInTheUrl) {
  const std::tuple<const char*, const char*, const char*> table[] = {
      {"https://broker.test", "ca.pem", ""},
      {"https://broker.test:9999/", "ca.pem", ""},
      {"https://127.0.0.1", "ca.pem", ""},
      {"https://broker.test", "other-ca.pem", "certificate"},
      {"https://other.test", "ca.pem", "hostname mismatch"},
      {"https://broker.test.evil", "ca.pem", "hostname mismatch"},
      {"https://sub.broker.test", "ca.pem", "hostname mismatch"},
      {"https://127.0.0.2", "ca.pem", "IP address mismatch"},
      {"https://[::1]", "ca.pem", "IP address mismatch"}};
  for (const auto& [url, ca, reason] : table) {
    ScriptedServer server({HttpAnswer(200, "hi")});
    const auto response = Exchange(server, {.url = url, .ca = ca});
    EXPECT_EQ(response.ok(), std::string_view(reason).empty()) << url;
    if (response.ok()) continue;
    EXPECT_EQ(response.error().code(), ErrorCode::kPermissionDenied) << url;
    EXPECT_THAT(response.error().message(), StartsWith("broker '" + std::string(url) + "': TLS:"));
    EXPECT_THAT(response.error().message(), HasSubstr(reason));
    EXPECT_EQ(server.requests().at(0), "") << "nothing is said to a stranger";
  }
}

// The guest's clock is the host's to set, so only the operator's client looks at certificate times.
TEST(HttpsClientTest, ChecksCertificateTimesWhereItIsAskedTo) {
  ScriptedServer strict({HttpAnswer(200, "hi")}, "expired.pem");
  const auto refused = Exchange(strict, {.times = CertificateTimes::kCheck});
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("certificate has expired"));
  ScriptedServer lenient({HttpAnswer(200, "hi")}, "expired.pem");
  EXPECT_EQ(Exchange(lenient, {.times = CertificateTimes::kIgnore})->body, "hi");
}

TEST(HttpsClientTest, WritesOneRequestAsHttpDoes) {
  const std::string body = "{\"a\":1}";
  const std::pair<HttpRequest, std::string> table[] = {
      {{.method = "GET", .path = "/kbs/v0/resource/a/b/c", .headers = {{"Cookie", "x=y"}}},
       "GET /kbs/v0/resource/a/b/c HTTP/1.1\r\nHost: broker.test:443\r\nConnection: close\r\n"
       "Accept: application/json\r\nCookie: x=y\r\n\r\n"},
      {{.method = "POST", .path = "/p", .headers = {}, .body = AsBytes(body)},
       "POST /p HTTP/1.1\r\nHost: broker.test:443\r\nConnection: close\r\n"
       "Accept: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
      {{.method = "DELETE", .path = "/d"},
       "DELETE /d HTTP/1.1\r\nHost: broker.test:443\r\nConnection: close\r\n"
       "Accept: application/json\r\nContent-Length: 0\r\n\r\n"}};
  for (const auto& [request, bytes] : table) {
    ScriptedServer server({HttpAnswer(200, "")});
    ASSERT_TRUE(Exchange(server, {.request = request}).ok());
    EXPECT_EQ(server.requests().at(0), bytes);
  }
}

TEST(HttpsClientTest, CarriesLargeBodiesBothWays) {
  const std::string large(1'000'000, 'b');
  ScriptedServer server({HttpAnswer(200, large)});
  const auto response = Exchange(
      server, {.request = {.method = "POST", .path = "/", .headers = {}, .body = AsBytes(large)}});
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->body, large);
  EXPECT_THAT(server.requests().at(0), ::testing::EndsWith(large));
}

TEST(HttpsClientTest, AnyStatusIsAnAnswer) {
  for (const int status : {200, 302, 400, 401, 404, 500, 503}) {
    ScriptedServer server({HttpAnswer(status, "why", "Location: https://elsewhere/\r\n")});
    const auto response = Exchange(server);
    ASSERT_TRUE(response.ok()) << status;
    EXPECT_EQ(response->status, status);
    EXPECT_EQ(response->body, "why");
    EXPECT_EQ(server.requests().size(), 1U) << "nobody is followed elsewhere";
  }
}

TEST(HttpsClientTest, AnAnswerThatIsNotHttpIsRefused) {
  const std::pair<const char*, const char*> table[] = {
      {"", "ended inside its headers"},
      {"SSH-2.0-x\r\n\r\n", "no HTTP/1 status line"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "ended inside its body"}};
  for (const auto& [answer, reason] : table) {
    ScriptedServer server({answer});
    const auto response = Exchange(server);
    EXPECT_EQ(response.error().code(), ErrorCode::kInvalidArgument) << answer;
    EXPECT_THAT(response.error().message(), HasSubstr(reason));
  }
}

TEST(HttpsClientTest, RefusesAUrlOrCaThatIsNone) {
  const auto create = [](const std::string& url, const std::string& ca) {
    return HttpsClient::Create({.url = url,
                                .ca_pem = ca,
                                .dial = TcpDialer(),
                                .timeout = 1s,
                                .times = CertificateTimes::kCheck})
        .error()
        .message();
  };
  EXPECT_THAT(create("http://a", ReadText(TestTlsDirectory() / "ca.pem")), HasSubstr("https://"));
  EXPECT_THAT(create("https://a", "no certificate"), HasSubstr("CA: no certificate"));
}

// What is at the other end of a socket: `serve` gets it, and it is closed when that returns.
class RawPeer {
 public:
  explicit RawPeer(std::function<void(int)> serve) : serve_(std::move(serve)) {}
  ~RawPeer() {
    if (thread_.joinable()) thread_.join();
  }
  Dialer Dial() {
    return [this](const std::string&, std::chrono::milliseconds) -> Result<UniqueFd> {
      std::array<int, 2> ends{};
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return Error::FromErrno(errno, "socketpair");
      }
      thread_ = std::thread([this, fd = ends[1]] {
        serve_(fd);
        ::close(fd);
      });
      return UniqueFd(ends[0]);
    };
  }

 private:
  std::function<void(int)> serve_;
  std::thread thread_;
};

Result<HttpResponse> ExchangeWith(const Dialer& dial, std::chrono::milliseconds timeout = 30s) {
  return HttpsClient::Create({.url = "https://broker.test",
                              .ca_pem = ReadText(TestTlsDirectory() / "ca.pem"),
                              .dial = dial,
                              .timeout = timeout,
                              .times = CertificateTimes::kCheck})
      ->Exchange({.method = "GET", .path = "/"});
}

TEST(HttpsClientTest, APeerThatIsNotATlsServerIsNamed) {
  RawPeer silent([](int fd) { ::shutdown(fd, SHUT_RDWR); });
  const auto hung_up = ExchangeWith(silent.Dial());
  EXPECT_EQ(hung_up.error().code(), ErrorCode::kUnavailable);
  RawPeer plain([](int fd) {
    char byte = 0;
    (void)!::read(fd, &byte, 1);
    (void)!::write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
  });
  const auto http = ExchangeWith(plain.Dial());
  EXPECT_EQ(http.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(http.error().message(), HasSubstr("TLS: "));
}

TEST(HttpsClientTest, OneDeadlineIsForTheWholeExchange) {
  RawPeer deaf([](int fd) {
    std::array<char, 4096> sink{};
    while (::read(fd, sink.data(), sink.size()) > 0) {
    }
  });
  const auto late = ExchangeWith(deaf.Dial(), 50ms);
  EXPECT_EQ(late.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(late.error().message(), HasSubstr("no whole answer in time"));
}

TEST(HttpsClientTest, ADialersErrorIsPassedOnWithTheBrokersName) {
  std::string asked;
  const auto refused = ExchangeWith(
      [&](const std::string& host_port, std::chrono::milliseconds) -> Result<UniqueFd> {
        asked = host_port;
        return Error(ErrorCode::kUnavailable, "the relay is closed");
      });
  EXPECT_EQ(asked, "broker.test:443");
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().message(), "broker 'https://broker.test': the relay is closed");
}

// A port of loopback that nobody listens on: bound, so nobody else gets it, and not listening.
struct Bound {
  UniqueFd fd;
  std::string address;
};
Bound Bind(int family) {
  Bound bound{.fd = UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)), .address = {}};
  sockaddr_in6 in6{};
  sockaddr_in in4{};
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = in6addr_loopback;
  in4.sin_family = AF_INET;
  in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr* address =
      family == AF_INET6 ? reinterpret_cast<sockaddr*>(&in6) : reinterpret_cast<sockaddr*>(&in4);
  socklen_t size = family == AF_INET6 ? sizeof in6 : sizeof in4;
  EXPECT_EQ(::bind(bound.fd.get(), address, size), 0);
  EXPECT_EQ(::getsockname(bound.fd.get(), address, &size), 0);
  bound.address = family == AF_INET6 ? "[::1]:" + std::to_string(ntohs(in6.sin6_port))
                                     : "127.0.0.1:" + std::to_string(ntohs(in4.sin_port));
  return bound;
}

TEST(TcpDialerTest, ConnectsToWhatListens) {
  for (const int family : {AF_INET, AF_INET6}) {
    const Bound bound = Bind(family);
    const auto refused = TcpDialer()(bound.address, 5s);
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable) << bound.address;
    EXPECT_EQ(refused.error().message(), "connect to '" + bound.address + "': Connection refused");
    ASSERT_EQ(::listen(bound.fd.get(), 1), 0);
    const auto connected = TcpDialer()(bound.address, 5s);
    ASSERT_TRUE(connected.ok()) << connected.error().message();
    const UniqueFd accepted(::accept(bound.fd.get(), nullptr, nullptr));
    EXPECT_EQ(::send(connected->get(), "x", 1, 0), 1);
    char byte = 0;
    EXPECT_EQ(::recv(accepted.get(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'x');
  }
}

TEST(TcpDialerTest, NamesWhatItCannotFind) {
  EXPECT_EQ(TcpDialer()("no-port", 1s).error().message(), "'no-port' is not host:port");
  const auto unknown = TcpDialer()("no-such-name.invalid:1", 1s);
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(unknown.error().message(), StartsWith("find 'no-such-name.invalid': "));
  EXPECT_EQ(TcpDialer()("127.0.0.1:no-such-service", 1s).error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace locket::attest
