// The sockets that systemd opened for this process (sd_listen_fds_with_names(3)), sorted by their
// purpose.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/listener.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::snapshotter {

// FileDescriptorName= in the unit of the socket for the kubelet's image service. Any other name is
// that of containerd's socket: a unit without FileDescriptorName= gives its own name.
inline constexpr const char* kImagesSocketName = "images";

struct PassedSocket {
  std::string name;
  UniqueFd fd;
};

struct PassedSockets {
  std::optional<Listener> snapshots{};
  std::optional<Listener> images{};
};

// Returns the sockets by purpose. kInvalidArgument: one is not a listening unix stream socket, or
// two have the same purpose.
Result<PassedSockets> SortSockets(std::vector<PassedSocket> passed);

}  // namespace locket::snapshotter
