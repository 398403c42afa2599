// The seam at a kernel's network: links, addresses, routes, and filters that join two links. It is
// the network namespace in which it was opened.
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

struct LinkChange {
  int link;
  std::optional<std::string> name{};  // of a link that is down
  std::optional<uint32_t> mtu{};
  bool up = false;  // true: bring it up
};

// Errors: kNotFound for an absent link, or a feature that this kernel has no module for;
// kAlreadyExists; kPermissionDenied. What fails changes nothing.
class NetworkControl {
 public:
  virtual ~NetworkControl() = default;

  virtual Result<std::vector<NetworkLink>> Links() = 0;
  // Unicast routes of the main table that somebody configured: none learned from router
  // advertisements, none to IPv6 link-local addresses. kFailedPrecondition: one is of a kind that
  // NetworkRoute cannot say.
  virtual Result<std::vector<NetworkRoute>> Routes() = 0;
  virtual Result<std::vector<NetworkNeighbour>> PermanentNeighbours() = 0;

  virtual Status ChangeLink(const LinkChange& change) = 0;
  // Adds no route with it, and uses it without asking the link whether somebody else does.
  virtual Status AddAddress(int link, const IpPrefix& address) = 0;
  virtual Status AddRoute(const NetworkRoute& route) = 0;
  virtual Status AddPermanentNeighbour(const NetworkNeighbour& neighbour) = 0;

  // The place where filters see what comes in on `link`. kAlreadyExists: it has one.
  virtual Status AddIngress(int link) = 0;
  // With its filters. Succeeds when there is none.
  virtual Status RemoveIngress(int link) = 0;
  // Whatever comes in on `from`, which has an ingress, leaves through `to`, and `from`'s own kernel
  // sees none of it.
  virtual Status AddRedirect(int from, int to) = 0;
};

// "10.88.0.2", "fd00::1"; of other lengths than 4 and 16 bytes: "?".
std::string AddressText(std::string_view bytes);
std::string PrefixText(const IpPrefix& prefix);
std::string MacText(const MacAddress& mac);

}  // namespace locket::device
