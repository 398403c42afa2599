#include "snapshotter/metrics/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "snapshotter/metrics/metrics_address.h"
#include "snapshotter/metrics/metrics_server.h"

namespace locket::snapshotter {
namespace {

namespace prom = ::prometheus;

// From a lookup in memory to a pull over a slow line, in seconds.
const prom::Histogram::BucketBoundaries kBuckets{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

prom::MetricFamily Family(const char* name, const char* help, prom::MetricType type, double value) {
  prom::ClientMetric metric;
  metric.counter.value = metric.gauge.value = value;
  return {.name = std::string("locket_snapshotter_") + name,
          .help = help,
          .type = type,
          .metric = {std::move(metric)}};
}
prom::MetricFamily Counter(const char* name, const char* help, uint64_t value) {
  return Family(name, help, prom::MetricType::Counter, static_cast<double>(value));
}
prom::MetricFamily Gauge(const char* name, const char* help, uint64_t value) {
  return Family(name, help, prom::MetricType::Gauge, static_cast<double>(value));
}

prom::MetricFamily ByOutcome(const char* name, const char* help,
                             const std::vector<std::pair<const char*, uint64_t>>& outcomes) {
  prom::MetricFamily family = Counter(name, help, 0);
  family.metric.clear();
  for (const auto& [outcome, count] : outcomes) {
    prom::ClientMetric metric;
    metric.label = {{.name = "outcome", .value = outcome}};
    metric.counter.value = static_cast<double>(count);
    family.metric.push_back(std::move(metric));
  }
  return family;
}

std::vector<prom::MetricFamily> ConversionFamilies(const ConvertFigures& now) {
  const std::chrono::duration<double> busy = now.busy_ms;
  return {
      ByOutcome("layer_conversions_total", "Layers that were to be converted.",
                {{"converted", now.layers_converted},
                 {"known", now.layers_known},
                 {"failed", now.layers_failed}}),
      ByOutcome("image_conversions_total", "Images that were to be converted.",
                {{"converted", now.images_converted}, {"failed", now.images_failed}}),
      Counter("converted_bytes_total", "Bytes of sealed layers that were made.", now.sealed_bytes),
      Family("conversion_seconds_total", "Time that threads had layers under way.",
             prom::MetricType::Counter, busy.count()),
      Gauge("conversions_running", "Layers being fetched and sealed.", now.layers_running),
      Gauge("conversions_waiting", "Layers that wait for a thread.", now.layers_waiting),
  };
}

std::vector<prom::MetricFamily> Families(const Gauges& now) {
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

class PrometheusMetrics final : public Metrics {
 public:
  explicit PrometheusMetrics(std::function<Gauges()> look)
      : look_(std::move(look)),
        requests_(prom::BuildHistogram()
                      .Name("locket_snapshotter_request_seconds")
                      .Help("Time until a request was answered.")
                      .Register(registry_)) {}

  Status Start(const std::string& address) {
    LOCKET_TRY_ASSIGN(Listener listener, ListenForMetrics(address));
    const uint16_t port = listener.port();
    address_ =
        port == 0 ? address : address.substr(0, address.rfind(':') + 1) + std::to_string(port);
    LOCKET_TRY_ASSIGN(server_,
                      MetricsServer::Start(std::move(listener), [this] { return Text(); }));
    return Ok();
  }

  std::string address() const override { return address_; }

  void Observe(const std::string& method, const std::string& code,
               std::chrono::duration<double> took) override {
    // Gives the same histogram for the same words.
    requests_.Add({{"method", method}, {"code", code}}, kBuckets).Observe(took.count());
  }

 private:
  std::string Text() const {
    std::vector<prom::MetricFamily> all = registry_.Collect();
    const Gauges now = look_();
    for (auto& family : Families(now)) all.push_back(std::move(family));
    for (auto& family : ConversionFamilies(now.conversion)) all.push_back(std::move(family));
    return prom::TextSerializer().Serialize(all);
  }

  const std::function<Gauges()> look_;
  prom::Registry registry_;
  prom::Family<prom::Histogram>& requests_;
  std::string address_;
  std::unique_ptr<MetricsServer> server_;  // last: its thread uses the rest
};

}  // namespace

Result<std::unique_ptr<Metrics>> Metrics::Serve(const std::string& address,
                                                std::function<Gauges()> look) {
  auto metrics = std::make_unique<PrometheusMetrics>(std::move(look));
  LOCKET_TRY(metrics->Start(address).While("serve metrics at '" + address + "'"));
  return std::unique_ptr<Metrics>(std::move(metrics));
}

}  // namespace locket::snapshotter
