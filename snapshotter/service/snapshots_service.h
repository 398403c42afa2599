// containerd's snapshots API (containerd.services.snapshots.v1) as a gRPC server over Snapshots.
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

// What else the server does. All that is referred to outlives the server.
struct ServerExtras {
  std::vector<grpc::Service*> services{};  // on the same socket
  Metrics* metrics = nullptr;              // counts requests; nullptr: nobody does
};

// Serves until it is destroyed, grpc.health.v1 as well.
class SnapshotsServer {
 public:
  // Serves on `listener`. `snapshots` outlives the server. On failure gRPC cannot serve there.
  static Result<std::unique_ptr<SnapshotsServer>> Start(Snapshots& snapshots, Listener listener,
                                                        const ServerExtras& extras = {});
  virtual ~SnapshotsServer() = default;

  // Takes no new requests and waits up to `grace` for those running, then cancels them.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::snapshotter
