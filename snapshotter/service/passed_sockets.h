// Sockets that systemd opened for us (sd_listen_fds_with_names(3)), each by what it is for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/listener.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::snapshotter {

// FileDescriptorName= in the unit of the socket for the kubelet's image service. The other one is
// containerd's, whatever its name: a unit without FileDescriptorName= names it after itself.
inline constexpr const char* kImagesSocketName = "images";

struct PassedSocket {
  std::string name;
  UniqueFd fd;
};

struct PassedSockets {
  std::optional<Listener> snapshots{};
  std::optional<Listener> images{};
};

// kInvalidArgument: one is no listening unix stream socket, or two are for the same.
Result<PassedSockets> SortSockets(std::vector<PassedSocket> passed);

}  // namespace locket::snapshotter
