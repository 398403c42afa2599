#include "guest-agent/network/network.h"

#include <algorithm>

namespace locket::guest_agent {
namespace {

using device::IpPrefix;
using device::NetworkControl;
using device::NetworkLink;
using device::NetworkRoute;

bool IsIpv6(const IpPrefix& prefix) { return prefix.address.size() == 16; }

Result<int> FindLink(NetworkControl& control, const device::MacAddress& mac) {
  LOCKET_TRY_ASSIGN(const auto links, control.Links());
  for (const NetworkLink& link : links) {
    if (link.mac == mac && link.ethernet && !link.loopback) return link.index;
  }
  return Error(ErrorCode::kNotFound,
               "this machine has no network device with MAC " + device::MacText(mac));
}

// Before the link comes up: from then on its kernel answers.
Status HardenInterface(const GuestInterface& interface, const SetParameter& set) {
  const std::string ipv6 = "ipv6/conf/" + interface.name + "/";
  const bool wants_ipv6 = std::ranges::any_of(interface.addresses, IsIpv6);
  LOCKET_TRY(set(ipv6 + "disable_ipv6", wants_ipv6 ? "0" : "1"));
  LOCKET_TRY(set(ipv6 + "accept_ra", "0"));
  LOCKET_TRY(set(ipv6 + "autoconf", "0"));
  LOCKET_TRY(set(ipv6 + "accept_redirects", "0"));
  // CNI has checked that the addresses are free. A check here would wait for an answer that the
  // host can fake.
  LOCKET_TRY(set(ipv6 + "accept_dad", "0"));
  return set("ipv4/conf/" + interface.name + "/accept_redirects", "0");
}

// A gateway needs the route to it, so routes without one come first.
std::vector<NetworkRoute> InOrder(std::vector<NetworkRoute> routes) {
  std::stable_partition(routes.begin(), routes.end(),
                        [](const auto& route) { return route.gateway.empty(); });
  return routes;
}

Status SetUp(const GuestInterface& interface, int link, NetworkControl& control,
             const SetParameter& set) {
  LOCKET_TRY(control.ChangeLink({.link = link, .name = interface.name, .mtu = interface.mtu}));
  LOCKET_TRY(HardenInterface(interface, set));
  LOCKET_TRY(control.ChangeLink({.link = link, .up = true}));
  for (const IpPrefix& address : interface.addresses) {
    LOCKET_TRY(control.AddAddress(link, address));
  }
  for (NetworkRoute route : InOrder(interface.routes)) {
    route.link = link;
    LOCKET_TRY(control.AddRoute(route));
  }
  for (device::NetworkNeighbour neighbour : interface.neighbours) {
    neighbour.link = link;
    LOCKET_TRY(control.AddPermanentNeighbour(neighbour));
  }
  return Ok();
}

void AppendLine(std::string& text, std::string_view keyword,
                const std::vector<std::string>& words) {
  if (words.empty()) return;
  text += keyword;
  for (const std::string& word : words) text += " " + word;
  text += "\n";
}

}  // namespace

Status SetNetworkParameter(const std::string& name, std::string_view value) {
  Status set = SetKernelParameter("net/" + name, value);
  if (!set.ok() && set.error().code() == ErrorCode::kNotFound) return Ok();
  return set;
}

Status HardenNetwork(const SetParameter& set) {
  LOCKET_TRY(set("ipv4/ip_forward", "0"));
  for (const std::string which : {"all", "default"}) {
    const std::string ipv4 = "ipv4/conf/" + which + "/";
    const std::string ipv6 = "ipv6/conf/" + which + "/";
    for (const char* name : {"accept_redirects", "secure_redirects", "send_redirects",
                             "accept_source_route", "forwarding", "route_localnet"}) {
      LOCKET_TRY(set(ipv4 + name, "0"));
    }
    for (const char* name :
         {"accept_ra", "autoconf", "accept_redirects", "accept_source_route", "forwarding"}) {
      LOCKET_TRY(set(ipv6 + name, "0"));
    }
  }
  return Ok();
}

Status ApplyNetwork(const GuestNetwork& network, NetworkControl& control, const SetParameter& set) {
  std::vector<int> links;
  for (const GuestInterface& interface : network.interfaces) {
    const std::string doing = "interface '" + interface.name + "'";
    LOCKET_TRY_ASSIGN(const int link, FindLink(control, interface.mac).While(doing));
    // Out of the others' way: the names that the kernel gave may be the ones they are to have.
    const std::string aside = "locket" + std::to_string(links.size());
    LOCKET_TRY(control.ChangeLink({.link = link, .name = aside}).While(doing));
    links.push_back(link);
  }
  for (size_t i = 0; i < links.size(); ++i) {
    const GuestInterface& interface = network.interfaces[i];
    LOCKET_TRY(
        SetUp(interface, links[i], control, set).While("interface '" + interface.name + "'"));
  }
  return Ok();
}

std::string ResolvConfText(const GuestNetwork& network) {
  std::string text;
  for (const std::string& nameserver : network.nameservers) {
    text += "nameserver " + device::AddressText(nameserver) + "\n";
  }
  AppendLine(text, "search", network.searches);
  AppendLine(text, "options", network.options);
  return text;
}

std::string HostsText(const GuestNetwork& network, const std::string& hostname) {
  std::string text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  std::string own;
  for (const GuestInterface& interface : network.interfaces) {
    for (const IpPrefix& address : interface.addresses) {
      own += device::AddressText(address.address) + " " + hostname + "\n";
    }
  }
  return text + (own.empty() ? "127.0.1.1 " + hostname + "\n" : own);
}

}  // namespace locket::guest_agent
