// The kubelet's image service, for the sake of its pull secrets: every call goes on to containerd
// as it is, and what PullImage says of credentials is remembered for our own downloads.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "base/listener.h"
#include "base/result.h"
#include "snapshotter/pull/pull_secrets.h"

namespace locket::snapshotter {

class ImageProxy {
 public:
  // Serves on `listener` until Shutdown. `containerd` is the socket of its CRI, which need not
  // answer yet: a call that finds nobody there is UNAVAILABLE. `secrets` outlive the proxy.
  static Result<std::unique_ptr<ImageProxy>> Start(Listener listener,
                                                   const std::filesystem::path& containerd,
                                                   PullSecrets& secrets);
  virtual ~ImageProxy() = default;  // as Shutdown without grace

  // Calls under way get `grace` to end. Repeating it does nothing.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::snapshotter
