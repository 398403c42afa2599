// The program under attack: endless heads, slow connections and refusals without number, all at
// once and all from the address that its guest has, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "attest/http/https_client.h"
#include "attest/kbs/kbs_client.h"
#include "base/encoding.h"
#include "key-broker/audit_log.h"
#include "tests/key-broker/guest.h"
#include "tests/key-broker/program.h"
#include "tests/key-broker/raw_tls.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// Sanitizers slow each handshake down many times, and count memory of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kRefusals = 500;
constexpr size_t kHeaderBytes = 8U << 20;
constexpr size_t kMaxKib = 4U << 20;
#else
constexpr size_t kRefusals = 10000;
constexpr size_t kHeaderBytes = 100U << 20;
constexpr size_t kMaxKib = 160U << 10;  // docs/broker.md says so
#endif
constexpr int kSlow = 64;
constexpr size_t kAuditBytes = 1U << 20;  // of one file
constexpr auto kUri = "kbs:///a/b/c";

class FloodTest : public ::testing::Test {
 protected:
  FloodTest() {
    program_.Start("[audit]\nmax_bytes = " + std::to_string(kAuditBytes) + "\nkeep = 1\n");
    auto admin = program_.Admin();
    const auto path = *ResourceName::FromUri(kUri);
    EXPECT_TRUE(admin.SetResource(path, AsBytes("the secret")).ok());
    EXPECT_TRUE(admin.SetReleasePolicy(TestPolicy(path.ToPath())).ok());
  }

  std::string Url() const { return "https://127.0.0.1:" + std::to_string(program_.port()); }

  // Keeps kSlow connections open, each stuck elsewhere, until the attack is over.
  void HoldSlowOnes() {
    std::vector<RawTls> slow;
    for (int i = 0; i < kSlow; ++i) slow.push_back(Slow(i));
    while (!over_) {
      for (int i = 0; i < kSlow; ++i) {
        auto& one = slow[static_cast<size_t>(i)];
        if (one.WaitForEnd(i == 0 ? 20ms : 0ms)) one = Slow(i);
        if (i % 4 >= 2) one.Send("x");
      }
    }
  }
  RawTls Slow(int i) {
    ++slow_connections_;
    RawTls one(program_.port(), /*handshake=*/i % 4 != 0);
    if (i % 4 == 2) one.Send("GET /kbs/v0/resource/a/b/c HTTP/1.1\r\nA: ");
    if (i % 4 == 3) one.Send("POST /kbs/v0/attest HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    return one;
  }

  void SendHeads() {
    const std::string line = "a: " + std::string(8000, 'h') + "\r\n";
    while (header_bytes_ < kHeaderBytes) {
      RawTls one(program_.port());
      if (!one.Send("GET /kbs/v0/resource/a/b/c HTTP/1.1\r\n")) continue;
      while (header_bytes_ < kHeaderBytes && one.Send(line)) header_bytes_ += line.size();
    }
  }

  void AskForWhatIsRefused() {
    const auto http = attest::HttpsClient::Create({.url = Url(),
                                                   .ca_pem = TlsText("ca.pem"),
                                                   .dial = attest::TcpDialer(),
                                                   .timeout = 60s,
                                                   .times = attest::CertificateTimes::kIgnore})
                          .value();
    const std::string token =
        "Bearer " + Base64UrlEncode(AsBytes(R"({"alg":")" + std::string(4000, 'a') + R"("})")) +
        ".e30.e30";
    while (refusals_++ < kRefusals) {
      const auto answer = http.Exchange(
          {.method = "GET", .path = "/kbs/v0/resources", .headers = {{"Authorization", token}}});
      if (answer.ok() && answer->status == 401) ++refused_;
    }
  }

  // How long a guest takes to attest and fetch its secret.
  std::chrono::milliseconds BeServed() {
    const auto begin = std::chrono::steady_clock::now();
    auto source = SourceFor(TestLaunch());
    const auto client = attest::KbsClient::Create({.url = Url(),
                                                   .ca_pem = TlsText("ca.pem"),
                                                   .dial = attest::TcpDialer(),
                                                   .initdata_toml = std::string(kInitdata),
                                                   .timeout = 10s},
                                                  source);
    const auto secret = (*client)->FetchSecret(ResourceName::FromUri(kUri).value());
    EXPECT_TRUE(secret.ok()) << secret.error().message();
    if (secret.ok()) ++served_;
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
  }

  BrokerProgram program_;
  std::atomic<bool> over_ = false;
  std::atomic<size_t> slow_connections_ = 0;
  std::atomic<size_t> header_bytes_ = 0;
  std::atomic<size_t> refusals_ = 0;
  std::atomic<size_t> refused_ = 0;
  size_t served_ = 0;
};

TEST_F(FloodTest, StaysWithinItsMemoryAndItsLogAndServesItsGuest) {
  BeServed();
  const size_t before = program_.Memory("VmHWM");
  std::thread slow([this] { HoldSlowOnes(); });
  std::vector<std::thread> floods;
  floods.emplace_back([this] { SendHeads(); });
  for (int i = 0; i < 2; ++i) floods.emplace_back([this] { AskForWhatIsRefused(); });
  std::chrono::milliseconds longest{0};
  while (refusals_ < kRefusals || header_bytes_ < kHeaderBytes) {
    longest = std::max(longest, BeServed());
    if (HasFailure()) break;
  }
  refusals_ += kRefusals;
  header_bytes_ += kHeaderBytes;
  for (auto& flood : floods) flood.join();
  over_ = true;
  slow.join();

  const size_t after = program_.Memory("VmHWM");
  EXPECT_LE(after, kMaxKib);
  EXPECT_LE(longest, 10s);
  EXPECT_GE(refused_, kRefusals);
  EXPECT_EQ(program_.Stop(), 0);
  uintmax_t log_bytes = 0;
  for (const auto& base : {program_.audit_log().string(), RefusalLogPath(program_.audit_log())}) {
    for (const char* suffix : {"", ".1"}) {
      if (std::filesystem::exists(base + suffix)) {
        log_bytes += std::filesystem::file_size(base + suffix);
      }
    }
  }
  EXPECT_LE(log_bytes, 4 * kAuditBytes);
  const std::string refusals = attest::ReadText(RefusalLogPath(program_.audit_log()));
  EXPECT_THAT(refusals, HasSubstr("list-resources"));
  EXPECT_LE(refusals.size(), size_t{200} * kMaxAuditLineBytes) << "60 lines a minute";
  const std::string releases = attest::ReadText(program_.audit_log());
  size_t written = 0;
  for (size_t at = 0; (at = releases.find("get-resource", at)) != std::string::npos; ++at) {
    ++written;
  }
  EXPECT_EQ(written, served_);
  std::printf(
      "memory: %zu KiB before, %zu KiB at most; %zu slow connections, %zu header bytes, "
      "%zu refused; %zu guests served, the slowest in %lld ms; audit log %ju bytes\n",
      before, after, slow_connections_.load(), header_bytes_.load() - kHeaderBytes, refused_.load(),
      served_, static_cast<long long>(longest.count()), log_bytes);
}

}  // namespace
}  // namespace locket::key_broker
