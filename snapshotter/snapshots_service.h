// The gRPC face of Snapshots, and the unix socket it answers on.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "snapshotter/snapshots.h"

namespace locket::snapshotter {

// Serves until it is destroyed. The socket has mode 0600 and is gone afterwards.
class SnapshotsServer {
 public:
  // A socket nobody listens on is replaced. kFailedPrecondition: somebody does, or `socket` is no
  // socket. `snapshots` outlives the server.
  static Result<std::unique_ptr<SnapshotsServer>> Start(Snapshots& snapshots,
                                                        const std::filesystem::path& socket);
  virtual ~SnapshotsServer() = default;

  // Takes no new requests and waits up to `grace` for those running, then cancels them.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::snapshotter
