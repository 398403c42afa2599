// The pod's network in the guest: what the host says of it, checked, and done if the tenant lets
// it.
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

struct GuestInterface {
  device::MacAddress mac;
  std::string name;
  uint32_t mtu;
  std::vector<device::IpPrefix> addresses{};
  std::vector<device::NetworkRoute> routes{};  // their links and the neighbours' are not known yet
  std::vector<device::NetworkNeighbour> neighbours{};
  bool operator==(const GuestInterface&) const = default;
};

struct GuestNetwork {
  std::vector<GuestInterface> interfaces{};
  std::vector<std::string> nameservers{};
  std::vector<std::string> searches{};
  std::vector<std::string> options{};
  bool operator==(const GuestNetwork&) const = default;
};

// kInvalidArgument names what is not well-formed, or the limit that is exceeded.
Result<GuestNetwork> DecodeNetwork(const agent::v1::Network& message);

// SetKernelParameter for one of the network: ("ipv6/conf/eth0/accept_ra", "0"). Succeeds where the
// kernel has no such parameter.
Status SetNetworkParameter(const std::string& name, std::string_view value);

// What this guest's kernel does on links in general: it forwards nothing and believes neither
// router advertisements nor redirects. Links that come up later inherit it.
Status HardenNetwork(const SetParameter& set);

// Finds each interface by its MAC, names it, and gives it its addresses and routes. kNotFound: the
// machine has no such device. On failure the network may be half there: no container may run.
Status ApplyNetwork(const GuestNetwork& network, device::NetworkControl& control,
                    const SetParameter& set);

// What containers find in /etc.
std::string ResolvConfText(const GuestNetwork& network);
std::string HostsText(const GuestNetwork& network, const std::string& hostname);

}  // namespace locket::guest_agent
