// The pod's network: what CNI set up in the pod's network namespace, as a description for the
// guest, and the taps through which the guest takes it over (docs/decisions/0019-pod-network.md).
//
// For each Ethernet link with addresses in the namespace, "eth0" say, a tap is made in the same
// namespace, and traffic control moves every frame between the two. The guest gets a network device
// on the tap with eth0's MAC, addresses and routes, so that the cluster sees the guest where it
// expects the pod.
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

// One link of the namespace that the guest takes over, with what CNI configured on it.
struct PodInterface {
  device::NetworkLink link;
  std::vector<device::NetworkRoute> routes{};
  std::vector<device::NetworkNeighbour> neighbours{};
  bool operator==(const PodInterface&) const = default;
};

struct PodNetwork {
  std::vector<PodInterface> interfaces{};  // in the order in which CNI made them
  // One for each interface, in their order, or none. A tap exists as long as somebody has it open,
  // and the namespace exists as long as the tap.
  std::vector<UniqueFd> taps{};
};

enum class NetworkUse {
  kDescribe,  // the guest may not have it: it is only told what it would get
  kJoin,      // make the taps
};

// Makes a tap in the calling thread's network namespace and returns it open: device::MakeTap.
using TapMaker = std::function<Result<UniqueFd>(const std::string& name)>;

// Describes the network of the calling thread's namespace: every Ethernet link that has addresses.
// With kJoin it also makes the taps: from then on a frame that comes in on a link leaves through
// its tap, and the other way round. On failure no tap and no rule is left. kFailedPrecondition: a
// guest cannot take over an interface of that kind, or the kernel lacks a feature; the message says
// which, and how to get it.
Result<PodNetwork> BuildPodNetwork(device::NetworkControl& network, const TapMaker& make_tap,
                                   NetworkUse use);

// BuildPodNetwork in the namespace that `path` names, on a thread made for it: no other thread of
// this process ever enters the namespace. Returns no interfaces if it is the host's own namespace.
Result<PodNetwork> OpenPodNetwork(const std::filesystem::path& path, NetworkUse use);

}  // namespace locket::runtime_shim
