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

// What is looked up anew for each scrape.
struct Gauges {
  CacheFigures cache{};
  ConvertFigures conversion{};
  uint64_t blobs = 0;
  uint64_t blob_bytes = 0;
  uint64_t unused_blob_bytes = 0;  // of blobs that the next clean-up may take
  uint64_t snapshots = 0;
};

// Thread-safe.
class Metrics {
 public:
  // Serves /metrics there, to whoever can connect, until it is destroyed. Port 0: any; see
  // address(). `look` is called from a thread of its own. kInvalidArgument: CheckMetricsAddress
  // says so. Other errors: it cannot listen there.
  static Result<std::unique_ptr<Metrics>> Serve(const std::string& address,
                                                std::function<Gauges()> look);
  virtual ~Metrics() = default;

  virtual std::string address() const = 0;

  // A request was answered; `method` and `code` are gRPC's words.
  virtual void Observe(const std::string& method, const std::string& code,
                       std::chrono::duration<double> took) = 0;
};

}  // namespace locket::snapshotter
