// The pod's network in the guest. The host describes it; the guest checks the description, and sets
// the network up if the tenant's policy allows one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device/network_control.h"
#include "guest-agent/hardening/kernel_settings.h"

namespace locket::agent::v1 {
class Network;
}

namespace locket::guest_agent {

// proto/agent.proto names the same numbers.
inline constexpr int kMaxInterfaces = 4;
inline constexpr int kMaxAddresses = 16;
inline constexpr int kMaxRoutes = 128;
inline constexpr int kMaxNeighbours = 64;
inline constexpr int kMaxNameservers = 3;
inline constexpr int kMaxSearches = 32;
inline constexpr int kMaxResolverOptions = 32;

// One network device of the guest, and what to configure on it.
struct GuestInterface {
  device::MacAddress mac;  // by which the device is found
  std::string name;
  uint32_t mtu;
  std::vector<device::IpPrefix> addresses{};
  // The link number in a route or neighbour is 0 until ApplyNetwork has found the device.
  std::vector<device::NetworkRoute> routes{};
  std::vector<device::NetworkNeighbour> neighbours{};
  bool operator==(const GuestInterface&) const = default;
};

// The whole of it: devices, and the resolver's configuration.
struct GuestNetwork {
  std::vector<GuestInterface> interfaces{};
  std::vector<std::string> nameservers{};
  std::vector<std::string> searches{};
  std::vector<std::string> options{};
  bool operator==(const GuestNetwork&) const = default;
};

// Returns the network in the host's message. kInvalidArgument: a part is malformed or above a
// limit; the message names it.
Result<GuestNetwork> DecodeNetwork(const agent::v1::Network& message);

// Sets a parameter of the network, for example "ipv6/conf/eth0/accept_ra" to "0". Succeeds also if
// the kernel has no such parameter.
Status SetNetworkParameter(const std::string& name, std::string_view value);

// Sets how this kernel treats links: it forwards nothing, and accepts neither router advertisements
// nor redirects. Links that come up later inherit it, so call it before any does.
Status HardenNetwork(const SetParameter& set);

// Finds each device by its MAC, names it, and gives it its addresses and routes. kNotFound: the
// machine has no such device. On failure part of the network may be set up, and no container may
// run.
Status ApplyNetwork(const GuestNetwork& network, device::NetworkControl& control,
                    const SetParameter& set);

// Return the contents of /etc/resolv.conf and /etc/hosts for containers.
std::string ResolvConfText(const GuestNetwork& network);
std::string HostsText(const GuestNetwork& network, const std::string& hostname);

}  // namespace locket::guest_agent
