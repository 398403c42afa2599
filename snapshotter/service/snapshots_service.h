// The gRPC face of Snapshots.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "base/listener.h"
#include "base/result.h"
#include "snapshotter/metrics/metrics.h"
#include "snapshotter/snapshots/snapshots.h"

namespace grpc {
class Service;
}

namespace locket::snapshotter {

// What else the server does. All of it outlives the server.
struct ServerExtras {
  std::vector<grpc::Service*> services{};  // on the same socket
  Metrics* metrics = nullptr;              // is told how long requests took
};

// Serves until it is destroyed, also grpc.health.v1.
class SnapshotsServer {
 public:
  // `snapshots` outlives the server.
  static Result<std::unique_ptr<SnapshotsServer>> Start(Snapshots& snapshots, Listener listener,
                                                        const ServerExtras& extras = {});
  virtual ~SnapshotsServer() = default;

  // Takes no new requests and waits up to `grace` for those running, then cancels them.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::snapshotter
