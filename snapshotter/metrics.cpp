#include "snapshotter/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "snapshotter/metrics_address.h"

namespace locket::snapshotter {
namespace {

namespace prom = ::prometheus;

// From a lookup in memory to a pull over a slow line, in seconds.
const prom::Histogram::BucketBoundaries kBuckets{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
constexpr size_t kThreads = 2;  // a client that hangs keeps one of them

prom::MetricFamily Family(const char* name, const char* help, prom::MetricType type,
                          uint64_t value) {
  prom::ClientMetric metric;
  metric.counter.value = metric.gauge.value = static_cast<double>(value);
  return {.name = std::string("locket_snapshotter_") + name,
          .help = help,
          .type = type,
          .metric = {std::move(metric)}};
}
prom::MetricFamily Counter(const char* name, const char* help, uint64_t value) {
  return Family(name, help, prom::MetricType::Counter, value);
}
prom::MetricFamily Gauge(const char* name, const char* help, uint64_t value) {
  return Family(name, help, prom::MetricType::Gauge, value);
}

class LookedUp final : public prom::Collectable {
 public:
  explicit LookedUp(std::function<Gauges()> look) : look_(std::move(look)) {}

  std::vector<prom::MetricFamily> Collect() const override {
    const Gauges now = look_();
    const CacheFigures& cache = now.cache;
    return {
        Counter("cache_hits_total", "Blobs wanted that the cache had.", cache.hits),
        Counter("cache_misses_total", "Blobs wanted that had to be fetched.", cache.misses),
        Gauge("downloads_running", "Blobs being fetched.", cache.downloads_running),
        Counter("downloads_failed_total", "Fetches that ended without the blob.",
                cache.failed_downloads),
        Counter("downloaded_bytes_total", "Bytes of blobs that came from registries.",
                cache.downloaded_bytes),
        Counter("evicted_blobs_total", "Blobs removed because nothing needed them.",
                cache.evicted_blobs),
        Counter("evicted_bytes_total", "Bytes of blobs removed because nothing needed them.",
                cache.evicted_bytes),
        Gauge("cache_blobs", "Blobs in the cache.", now.blobs),
        Gauge("cache_bytes", "Bytes of all blobs in the cache.", now.blob_bytes),
        Gauge("cache_unused_bytes", "Bytes of blobs that nothing needs.", now.unused_blob_bytes),
        Gauge("snapshots", "Snapshots.", now.snapshots),
    };
  }

 private:
  const std::function<Gauges()> look_;
};

class PrometheusMetrics final : public Metrics {
 public:
  // Throws what the exposer throws.
  PrometheusMetrics(const std::string& address, std::function<Gauges()> look)
      : registry_(std::make_shared<prom::Registry>()),
        looked_up_(std::make_shared<LookedUp>(std::move(look))),
        requests_(prom::BuildHistogram()
                      .Name("locket_snapshotter_request_seconds")
                      .Help("Time until a request was answered.")
                      .Register(*registry_)),
        exposer_(address, kThreads) {
    exposer_.RegisterCollectable(registry_);
    exposer_.RegisterCollectable(looked_up_);
    address_ = address.substr(0, address.rfind(':') + 1) +
               std::to_string(exposer_.GetListeningPorts().at(0));
  }

  std::string address() const override { return address_; }

  void Observe(const std::string& method, const std::string& code,
               std::chrono::duration<double> took) override {
    // Gives the same histogram for the same words.
    requests_.Add({{"method", method}, {"code", code}}, kBuckets).Observe(took.count());
  }

 private:
  // Shared: that is how the exposer borrows them.
  const std::shared_ptr<prom::Registry> registry_;
  const std::shared_ptr<LookedUp> looked_up_;
  prom::Family<prom::Histogram>& requests_;
  std::string address_;
  prom::Exposer exposer_;  // last: while it goes, scrapes end
};

}  // namespace

Result<std::unique_ptr<Metrics>> Metrics::Serve(const std::string& address,
                                                std::function<Gauges()> look) {
  LOCKET_TRY(CheckMetricsAddress(address).While("serve metrics"));
  try {
    return std::unique_ptr<Metrics>(std::make_unique<PrometheusMetrics>(address, std::move(look)));
  } catch (const std::exception& e) {  // the library has no other way to say it
    return Error(ErrorCode::kUnavailable,
                 "serve metrics at '" + address + "': " + std::string(e.what()));
  }
}

}  // namespace locket::snapshotter
