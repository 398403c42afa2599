// A proxy of the kubelet's image service (CRI ImageService), for the sake of its pull secrets.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "base/listener.h"
#include "base/result.h"
#include "snapshotter/pull/pull_secrets.h"

namespace locket::snapshotter {

// Every call goes on to containerd as it is, and its answer comes back as it is. The credentials in
// PullImage are remembered as well, for the downloads of the snapshotter itself. Thread-safe.
class ImageProxy {
 public:
  // Serves on `listener` until Shutdown. `containerd` is the socket of containerd's CRI. It need
  // not answer yet: a call that finds no server there is answered with UNAVAILABLE. `secrets`
  // outlives the proxy.
  static Result<std::unique_ptr<ImageProxy>> Start(Listener listener,
                                                   const std::filesystem::path& containerd,
                                                   PullSecrets& secrets);
  virtual ~ImageProxy() = default;  // as Shutdown without grace

  // Takes no new calls and waits up to `grace` for those under way. A second Shutdown does nothing.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::snapshotter
