// HTTP for those who scrape: GET /metrics, and nothing else. The library behind it stays in
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
  // answer, in a thread of the server's own. Who is slow or silent keeps nobody else waiting, and
  // is cut off after a while.
  static Result<std::unique_ptr<MetricsServer>> Start(Listener listener,
                                                      std::function<std::string()> text);
  virtual ~MetricsServer() = default;
};

}  // namespace locket::snapshotter
