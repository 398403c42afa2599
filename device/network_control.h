// The seam at the kernel's network configuration: links, addresses, routes, and filters that join
// two links. An object works in the network namespace in which it was opened, whatever namespace
// its caller is in later.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::device {

using MacAddress = std::array<uint8_t, 6>;

struct IpPrefix {
  std::string address;  // 4 or 16 bytes, network order
  uint32_t length;

  bool operator==(const IpPrefix&) const = default;
};

// A network interface.
struct NetworkLink {
  int index;
  std::string name;
  MacAddress mac{};
  uint32_t mtu;
  bool ethernet;  // false: loopback, tunnels without link addresses
  bool loopback;
  std::vector<IpPrefix> addresses{};  // permanent ones that are not IPv6 link-local

  bool operator==(const NetworkLink&) const = default;
};

struct NetworkRoute {
  int link;
  IpPrefix destination;
  std::string gateway{};  // 4 or 16 bytes; empty: the destination is on the link
  std::string source{};   // preferred; may be empty
  uint32_t metric = 0;
  bool onlink = false;  // the gateway is reached without a route to it

  bool operator==(const NetworkRoute&) const = default;
};

struct NetworkNeighbour {
  int link;
  std::string address;
  MacAddress mac;

  bool operator==(const NetworkNeighbour&) const = default;
};

// Changes to one link; what is not set stays.
struct LinkChange {
  int link;
  std::optional<std::string> name{};  // of a link that is down
  std::optional<uint32_t> mtu{};
  bool up = false;  // true: bring it up
};

// Implemented by kernel_network_control.h, and by fake_network_control.h for tests. For one thread.
//
// kNotFound: there is no such link, or this kernel has no module for the feature. kAlreadyExists:
// what is to be added is there. kPermissionDenied: needs CAP_NET_ADMIN. A call that fails changes
// nothing.
class NetworkControl {
 public:
  virtual ~NetworkControl() = default;

  virtual Result<std::vector<NetworkLink>> Links() = 0;
  // Returns the unicast routes of the main table that were configured: without those learned from
  // router advertisements and those to IPv6 link-local addresses. kFailedPrecondition: a route is
  // of a kind that NetworkRoute cannot express.
  virtual Result<std::vector<NetworkRoute>> Routes() = 0;
  virtual Result<std::vector<NetworkNeighbour>> PermanentNeighbours() = 0;

  virtual Status ChangeLink(const LinkChange& change) = 0;
  // Adds an address without the route that the kernel would add with it, and without duplicate
  // address detection, so that it can be used at once.
  virtual Status AddAddress(int link, const IpPrefix& address) = 0;
  virtual Status AddRoute(const NetworkRoute& route) = 0;
  virtual Status AddPermanentNeighbour(const NetworkNeighbour& neighbour) = 0;

  // Adds an ingress qdisc to `link`, the place for filters of incoming frames. kAlreadyExists: the
  // link has one.
  virtual Status AddIngress(int link) = 0;
  // Removes the ingress qdisc and its filters. Succeeds when there is none.
  virtual Status RemoveIngress(int link) = 0;
  // Adds a filter that sends every frame that comes in on `from` out through `to`; the kernel's own
  // network stack does not see it. `from` has an ingress qdisc.
  virtual Status AddRedirect(int from, int to) = 0;
};

// Return texts for messages: "10.88.0.2" or "fd00::1", or "?" if the address is neither 4 nor 16
// bytes long; the same with "/length"; "02:00:00:00:00:01".
std::string AddressText(std::string_view bytes);
std::string PrefixText(const IpPrefix& prefix);
std::string MacText(const MacAddress& mac);

}  // namespace locket::device
