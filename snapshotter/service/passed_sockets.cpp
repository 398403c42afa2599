#include "snapshotter/service/passed_sockets.h"

#include <utility>

namespace locket::snapshotter {

Result<PassedSockets> SortSockets(std::vector<PassedSocket> passed) {
  PassedSockets sorted;
  for (PassedSocket& socket : passed) {
    auto& place = socket.name == kImagesSocketName ? sorted.images : sorted.snapshots;
    if (place) {
      return Error(ErrorCode::kInvalidArgument,
                   "systemd passed a second socket for the same, '" + socket.name +
                       "': one is containerd's, one with FileDescriptorName=" + kImagesSocketName +
                       " the kubelet's");
    }
    LOCKET_TRY_ASSIGN(Listener listener,
                      Listener::Inherit(std::move(socket.fd)).While("'" + socket.name + "'"));
    place.emplace(std::move(listener));
  }
  return sorted;
}

}  // namespace locket::snapshotter
