// The server against clients that are slow, endless or many.
#include "key-broker/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>

#include "key-broker/fake_audit_log.h"
#include "key-broker/fake_store.h"
#include "tests/attest/testing.h"
#include "tests/key-broker/raw_tls.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kAsk = "GET /kbs/v0/none HTTP/1.1\r\nHost: b\r\n\r\n";

// Like a slow disk: keeps who writes to it until it is let go.
class HeldAuditLog final : public AuditLog {
 public:
  Status Record(const AuditEntry& entry) override {
    entered_.set_value();
    let_go_.get_future().wait();
    return written_.Record(entry);
  }
  Status Reopen() override { return Ok(); }
  void WaitUntilEntered() { entered_.get_future().wait(); }
  void LetGo() { let_go_.set_value(); }

 private:
  std::promise<void> entered_;
  std::promise<void> let_go_;
  FakeAuditLog written_;
};

class ServerTest : public ::testing::Test {
 protected:
  void Start(const ConnectionLimits& limits) { Start(limits, audit_); }
  void Start(const ConnectionLimits& limits, AuditLog& audit) {
    const auto& tls = attest::TestTlsDirectory();
    broker_ = Broker::Create({.verifiers = {}}, store_, audit, clock_).value();
    server_ = Server::Start({.host = "127.0.0.1",
                             .certificate_file = tls / "server.pem",
                             .key_file = tls / "server.key",
                             .connections = limits,
                             .threads = 4},
                            *broker_)
                  .value();
  }
  RawTls Connect(bool handshake = true) const { return RawTls(server_->port(), handshake); }
  std::string Ask() const {
    RawTls client = Connect();
    client.Send(kAsk);
    return client.ReceiveAll();
  }

  SystemClock clock_;
  FakeStore store_;
  FakeAuditLog audit_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, EndsASlowRequestWhereverItStands) {
  Start({.request_timeout = 500ms});
  const auto silent = Connect(/*handshake=*/false);
  const auto shaken = Connect();
  auto half_head = Connect();
  ASSERT_TRUE(half_head.Send("GET /kbs/v0/none HTTP/1.1\r\nHost"));
  auto half_body = Connect();
  ASSERT_TRUE(half_body.Send("POST /kbs/v0/attest HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"));
  const RawTls* const clients[] = {&silent, &shaken, &half_head, &half_body};
  for (const auto* client : clients) {
    EXPECT_TRUE(client->WaitForEnd(30s));
  }
}

TEST_F(ServerTest, EndsARequestWhosePiecesKeepComing) {
  Start({.request_timeout = 500ms});
  auto dripping = Connect();
  dripping.Send("GET /kbs/v0/none HTTP/1.1\r\n");
  size_t pieces = 0;
  while (!dripping.WaitForEnd(20ms) && dripping.Send("a")) ASSERT_LT(++pieces, 3000U);
}

TEST_F(ServerTest, AnswersAfterHoweverLongTheDiskTakes) {
  HeldAuditLog slow;
  Start({.request_timeout = 1s}, slow);
  auto client = Connect();
  ASSERT_TRUE(client.Send("GET /kbs/v0/resources HTTP/1.1\r\nHost: b\r\n\r\n"));
  slow.WaitUntilEntered();
  // Each begins its time after the request was whole: by the end of the second the time for an
  // answer would be over twice, by the server's clock as by the library's.
  for (int i = 0; i < 2; ++i) {
    const auto later = Connect(/*handshake=*/false);
    EXPECT_TRUE(later.WaitForEnd(30s));
  }
  slow.LetGo();
  EXPECT_THAT(client.ReceiveAll(), HasSubstr(" 401 "));
  server_.reset();  // before the log that it writes to
}

TEST_F(ServerTest, HangsUpOnAHeadWithoutEnd) {
  Start({.request_timeout = 30s});
  const std::string many(100, 'h');
  const std::pair<std::string, std::string> forms[] = {
      {"GET /", std::string(1000, 'p')},
      {"GET / HTTP/1.1\r\nA: ", std::string(1000, 'v')},
      {"GET / HTTP/1.1\r\n", "a: " + many + "\r\n"},
      {"GET / HTTP/1.1\r\n", " folded " + many + "\r\n"},
      {"POST /kbs/v0/attest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", many},
      {"POST /kbs/v0/attest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", many},
      {"POST /kbs/v0/attest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
       "trailer: " + many + "\r\n"}};
  for (const auto& [start, rest] : forms) {
    auto client = Connect();
    ASSERT_TRUE(client.Send(start));
    size_t sent = 0;
    constexpr size_t kSent = 64U << 20;  // what sockets hold is far below
    while (sent < kSent && client.Send(rest)) sent += rest.size();
    EXPECT_LT(sent, kSent) << start;
  }
  EXPECT_THAT(Ask(), HasSubstr(" 404 ")) << "and it lives";
}

TEST_F(ServerTest, ServesNewcomersWhileSlowOnesHoldAllPlaces) {
  Start({.max_connections = 16, .max_per_peer = 8, .request_timeout = 60s, .grace = 0ms});
  std::vector<RawTls> slow;
  for (int i = 0; i < 8; ++i) slow.push_back(Connect(/*handshake=*/i % 2 == 0));
  EXPECT_THAT(Ask(), HasSubstr(" 404 "));
  EXPECT_TRUE(slow.front().WaitForEnd(30s)) << "the oldest made room";
  EXPECT_FALSE(slow.back().Ended());
}

TEST_F(ServerTest, HangsUpOnThoseAboveAPeersBound) {
  Start({.max_connections = 64, .max_per_peer = 4, .request_timeout = 60s, .grace = 60s});
  std::vector<RawTls> held;
  for (int i = 0; i < 4; ++i) held.push_back(Connect());
  const auto refused = Connect(/*handshake=*/false);
  EXPECT_TRUE(refused.WaitForEnd(30s)) << "and does not let it wait";
  for (const auto& client : held) EXPECT_FALSE(client.Ended());
}

TEST_F(ServerTest, LetsARequestUnderWayFinishWhenItStops) {
  Start({.request_timeout = 60s});
  auto client = Connect();
  ASSERT_TRUE(client.Send(
      "POST /kbs/v0/auth HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  ASSERT_THAT(client.Receive(), HasSubstr("100 Continue"));
  const auto silent = Connect();
  std::thread stopping([this] { server_.reset(); });
  EXPECT_TRUE(silent.WaitForEnd(30s)) << "who asked nothing is not waited for";
  EXPECT_TRUE(client.Send("{}"));
  EXPECT_THAT(client.ReceiveAll(), HasSubstr("'version' is missing"));
  stopping.join();
}

TEST_F(ServerTest, TakesPathsAsTheyAre) {
  Start({});
  for (const char* path : {"/kbs/v0/resource/a/b/%63", "/kbs/v0/resource/a/b/c%00d"}) {
    auto client = Connect();
    client.Send(std::string("GET ") + path + " HTTP/1.1\r\nHost: b\r\n\r\n");
    EXPECT_THAT(client.ReceiveAll(), HasSubstr("InvalidRequestPath")) << path;
  }
}

TEST_F(ServerTest, AnswersOneRequestAConnection) {
  Start({});
  auto client = Connect();
  client.Send(std::string(kAsk) + kAsk);
  const std::string answers = client.ReceiveAll();
  EXPECT_EQ(answers.find("HTTP/1.1 404"), answers.rfind("HTTP/1.1 404")) << answers;
}

TEST_F(ServerTest, NamesTheTlsFileThatIsWrong) {
  const auto& tls = attest::TestTlsDirectory();
  const auto broker = Broker::Create({.verifiers = {}}, store_, audit_, clock_).value();
  const auto refusal = [&](const std::string& certificate, const std::string& key) {
    return Server::Start({.host = "127.0.0.1", .certificate_file = certificate, .key_file = key},
                         *broker)
        .error()
        .message();
  };
  EXPECT_THAT(refusal("/absent", tls / "server.key"), HasSubstr("certificate '/absent'"));
  EXPECT_THAT(refusal(tls / "server.pem", tls / "ca.key"), HasSubstr("key values mismatch"));
}

}  // namespace
}  // namespace locket::key_broker
