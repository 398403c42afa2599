// The figures that Prometheus scrapes. The library behind them stays in metrics.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/convert/convert_report.h"

namespace locket::snapshotter {

// What is looked up again for each scrape.
struct Gauges {
  CacheFigures cache{};
  ConvertFigures conversion{};
  uint64_t blobs = 0;
  uint64_t blob_bytes = 0;
  uint64_t unused_blob_bytes = 0;  // of blobs that the next clean-up may take
  uint64_t snapshots = 0;
};

// Counts requests, and serves all figures as /metrics in Prometheus's text format
// (docs/snapshotter.md lists them). Thread-safe.
class Metrics {
 public:
  // Serves on `address` until it is destroyed, to every client that can connect. With port 0 the
  // kernel chooses the port, which address() returns. `look` is called for each scrape, on a thread
  // of the server. kInvalidArgument: the address is one that CheckMetricsAddress refuses. Other
  // errors: it cannot listen there.
  static Result<std::unique_ptr<Metrics>> Serve(const std::string& address,
                                                std::function<Gauges()> look);
  virtual ~Metrics() = default;

  // Returns the address it serves on, with the port that it got.
  virtual std::string address() const = 0;

  // Counts a request that was answered. `method` and `code` are gRPC's names.
  virtual void Observe(const std::string& method, const std::string& code,
                       std::chrono::duration<double> took) = 0;
};

}  // namespace locket::snapshotter
