#include "snapshotter/metrics/metrics.h"

#include <gmock/gmock.h>

#include "base/subprocess.h"
#include "snapshotter/metrics/metrics_address.h"
#include "tests/snapshotter/metrics/http_get.h"

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

Gauges SomeGauges() {
  return {.cache = {.downloads_running = 1,
                    .hits = 2,
                    .misses = 3,
                    .failed_downloads = 4,
                    .downloaded_bytes = 5,
                    .evicted_blobs = 6,
                    .evicted_bytes = 7},
          .conversion = {.layers_waiting = 12,
                         .layers_running = 13,
                         .layers_converted = 14,
                         .layers_known = 15,
                         .layers_failed = 16,
                         .images_converted = 17,
                         .images_failed = 18,
                         .sealed_bytes = 19,
                         .busy_ms = std::chrono::milliseconds(20'500)},
          .blobs = 8,
          .blob_bytes = 9,
          .unused_blob_bytes = 10,
          .snapshots = 11};
}

TEST(MetricsTest, AScrapeShowsEachFigureUnderItsName) {
  const auto metrics = Metrics::Serve("127.0.0.1:0", SomeGauges);
  ASSERT_TRUE(metrics.ok()) << metrics.error().message();
  const std::string text = HttpGet((*metrics)->address(), "/metrics");
  EXPECT_THAT(text, HasSubstr("200 OK"));
  const char* lines[] = {"downloads_running 1",
                         "cache_hits_total 2",
                         "cache_misses_total 3",
                         "downloads_failed_total 4",
                         "downloaded_bytes_total 5",
                         "evicted_blobs_total 6",
                         "evicted_bytes_total 7",
                         "cache_blobs 8",
                         "cache_bytes 9",
                         "cache_unused_bytes 10",
                         "snapshots 11",
                         "conversions_waiting 12",
                         "conversions_running 13",
                         "layer_conversions_total{outcome=\"converted\"} 14",
                         "layer_conversions_total{outcome=\"known\"} 15",
                         "layer_conversions_total{outcome=\"failed\"} 16",
                         "image_conversions_total{outcome=\"converted\"} 17",
                         "image_conversions_total{outcome=\"failed\"} 18",
                         "converted_bytes_total 19",
                         "conversion_seconds_total 20.5"};
  for (const char* line : lines) {
    EXPECT_THAT(text, HasSubstr("\nlocket_snapshotter_" + std::string(line) + "\n"));
  }
  EXPECT_THAT(text, HasSubstr("# TYPE locket_snapshotter_cache_hits_total counter"));
  EXPECT_THAT(text, HasSubstr("# TYPE locket_snapshotter_cache_bytes gauge"));
}

TEST(MetricsTest, RequestsAreCountedByMethodAndCodeInBuckets) {
  const auto metrics = Metrics::Serve("127.0.0.1:0", SomeGauges);
  ASSERT_TRUE(metrics.ok());
  (*metrics)->Observe("s/Prepare", "OK", std::chrono::milliseconds(3));
  (*metrics)->Observe("s/Prepare", "OK", std::chrono::milliseconds(30));
  (*metrics)->Observe("s/Prepare", "NOT_FOUND", std::chrono::milliseconds(3));
  const std::string text = HttpGet((*metrics)->address(), "/metrics");
  const std::string ok = "code=\"OK\",method=\"s/Prepare\"";
  EXPECT_THAT(text, HasSubstr("request_seconds_count{" + ok + "} 2"));
  EXPECT_THAT(text, HasSubstr("request_seconds_bucket{" + ok + ",le=\"0.005\"} 1"));
  EXPECT_THAT(text, HasSubstr("request_seconds_bucket{" + ok + ",le=\"0.05\"} 2"));
  EXPECT_THAT(text, HasSubstr("{code=\"NOT_FOUND\",method=\"s/Prepare\"} 1"));
}

TEST(MetricsTest, AnAddressThatIsTakenIsNamed) {
  const auto first = Metrics::Serve("127.0.0.1:0", SomeGauges);
  ASSERT_TRUE(first.ok());
  const auto second = Metrics::Serve((*first)->address(), SomeGauges);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message(),
            "serve metrics at '" + (*first)->address() + "': bind: Address already in use");
}

class MetricsSocketTest : public ::testing::Test {
 protected:
  std::string path() const { return temp_.path() / "m.sock"; }
  std::string address() const { return "unix://" + path(); }
  TempDir temp_ = TempDir::Create("/tmp", "metrics-").value();
};

TEST_F(MetricsSocketTest, AScrapeOverAUnixSocketShowsTheSame) {
  const auto metrics = Metrics::Serve(address(), SomeGauges);
  ASSERT_TRUE(metrics.ok()) << metrics.error().message();
  EXPECT_EQ((*metrics)->address(), address());
  EXPECT_THAT(HttpGet(address(), "/metrics"), HasSubstr("\nlocket_snapshotter_snapshots 11\n"));
  EXPECT_EQ(std::filesystem::status(path()).permissions(), std::filesystem::perms(0666));
}

TEST_F(MetricsSocketTest, TheSocketGoesWithItsServerAndOneOfADeadServerIsReplaced) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(Metrics::Serve(address(), SomeGauges).ok());
    EXPECT_FALSE(std::filesystem::exists(path()));
    ASSERT_TRUE(
        RunCommand({"python3", "-c",
                    "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path()})
            .ok());
    ASSERT_TRUE(std::filesystem::exists(path()));
  }
}

TEST_F(MetricsSocketTest, ASocketThatIsTakenOrCannotBeIsNamed) {
  const auto first = Metrics::Serve(address(), SomeGauges);
  ASSERT_TRUE(first.ok());
  const auto second = Metrics::Serve(address(), SomeGauges);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(second.error().message(), HasSubstr("serve metrics at '" + address() + "'"));
  EXPECT_THAT(second.error().message(), HasSubstr("another server listens there"));
  const auto lost = Metrics::Serve("unix://" + temp_.path().string() + "/none/m.sock", SomeGauges);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code(), ErrorCode::kNotFound);
}

TEST_F(MetricsSocketTest, OnlyGetOfMetricsIsAnswered) {
  const auto metrics = Metrics::Serve(address(), SomeGauges);
  ASSERT_TRUE(metrics.ok());
  EXPECT_THAT(HttpGet(address(), "/"), HasSubstr(" 404 "));
  EXPECT_THAT(HttpGet(address(), "/metrics", "POST"), HasSubstr(" 405 "));
  EXPECT_THAT(HttpGet(address(), "/" + std::string(64 << 10, 'x')), HasSubstr(" 414 "));
  EXPECT_THAT(HttpGet(address(), "/metrics"), HasSubstr(" 200 ")) << "it still answers";
}

TEST_F(MetricsSocketTest, WhoSaysNothingKeepsNobodyWaitingAndDoesNotHoldUpTheEnd) {
  auto metrics = Metrics::Serve(address(), SomeGauges);
  ASSERT_TRUE(metrics.ok());
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(ConnectTo(address()));
  EXPECT_THAT(HttpGet(address(), "/metrics"), HasSubstr(" 200 "));
  const auto before = std::chrono::steady_clock::now();
  metrics->reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
}

TEST(MetricsAddressTest, TakesNumericAddressesWithPortsAndSocketsOnly) {
  for (const char* good :
       {"127.0.0.1:0", "0.0.0.0:9100", "[::1]:65535", "unix:///run/locket/m.sock"}) {
    EXPECT_TRUE(CheckMetricsAddress(good).ok()) << good;
  }
  for (const char* bad :
       {"", "9100", ":9100", "localhost:9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
        "127.0.0.1:80s", "127.0.0.1:+1", "::1:9100", "[127.0.0.1]:1", "127.0.0.1:1,0.0.0.0:2",
        "unix://", "unix://run/m.sock", "unix:///run/", "unix:/run/m.sock", "/run/m.sock"}) {
    const auto checked = CheckMetricsAddress(bad);
    ASSERT_FALSE(checked.ok()) << bad;
    EXPECT_EQ(checked.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(checked.error().message(), HasSubstr("is no IP address and port"));
  }
}

}  // namespace
}  // namespace locket::snapshotter
