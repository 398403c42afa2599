// The HTTP server for scrapes: GET /metrics, and nothing else. The library behind it stays in
// metrics_server.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/listener.h"
#include "base/result.h"

namespace locket::snapshotter {

class MetricsServer {
 public:
  // Answers on `listener` until it is destroyed, which ends answers under way. `text` makes each
  // answer, on a thread of the server. A client that is slow or silent keeps no other waiting, and
  // is cut off after a while.
  static Result<std::unique_ptr<MetricsServer>> Start(Listener listener,
                                                      std::function<std::string()> text);
  virtual ~MetricsServer() = default;
};

}  // namespace locket::snapshotter
