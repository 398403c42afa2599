// The pod's network: what CNI set up in the pod's network namespace, told to the guest, and the
// taps through which the guest takes it over.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "device/network_control.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxInterfaces = 4;

struct PodInterface {
  device::NetworkLink link;
  std::vector<device::NetworkRoute> routes{};
  std::vector<device::NetworkNeighbour> neighbours{};
  bool operator==(const PodInterface&) const = default;
};

struct PodNetwork {
  std::vector<PodInterface> interfaces{};  // in the order in which they were made
  // One for each interface, or none. A tap is gone with its last descriptor; until then the
  // namespace is not.
  std::vector<UniqueFd> taps{};
};

enum class NetworkUse {
  kDescribe,  // the guest may not have it: it is only told what it would get
  kJoin,      // make the taps
};

// device::MakeTap.
using TapMaker = std::function<Result<UniqueFd>(const std::string& name)>;

// Takes every Ethernet link that has addresses. Whatever comes in on one from now on leaves through
// its tap, and the other way round. On failure nothing of ours is left. kFailedPrecondition: an
// interface is of a kind no guest can take over, or the kernel lacks a feature, and how to get it.
Result<PodNetwork> BuildPodNetwork(device::NetworkControl& network, const TapMaker& make_tap,
                                   NetworkUse use);

// The same in the namespace that `path` names, on a thread of its own: nothing else of this process
// ever is in it. No interfaces: it is the host's own namespace.
Result<PodNetwork> OpenPodNetwork(const std::filesystem::path& path, NetworkUse use);

}  // namespace locket::runtime_shim
