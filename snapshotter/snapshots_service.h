// The gRPC face of Snapshots.
#pragma once

#include <chrono>
#include <memory>

#include "base/result.h"
#include "snapshotter/listener.h"
#include "snapshotter/snapshots.h"

namespace locket::snapshotter {

// Serves until it is destroyed, also grpc.health.v1.
class SnapshotsServer {
 public:
  // `snapshots` outlives the server.
  static Result<std::unique_ptr<SnapshotsServer>> Start(Snapshots& snapshots, Listener listener);
  virtual ~SnapshotsServer() = default;

  // Takes no new requests and waits up to `grace` for those running, then cancels them.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::snapshotter
