#include "runtime-shim/vm/network_message.h"

namespace locket::runtime_shim {
namespace {

namespace v1 = ::locket::agent::v1;

std::string Bytes(const device::MacAddress& mac) { return {mac.begin(), mac.end()}; }

void Fill(const device::IpPrefix& prefix, v1::IpPrefix* message) {
  message->set_address(prefix.address);
  message->set_length(prefix.length);
}

void Fill(const device::NetworkRoute& route, v1::NetworkRoute* message) {
  Fill(route.destination, message->mutable_destination());
  message->set_gateway(route.gateway);
  message->set_source(route.source);
  message->set_metric(route.metric);
  message->set_onlink(route.onlink);
}

void Fill(const PodInterface& interface, v1::NetworkInterface* message) {
  message->set_mac(Bytes(interface.link.mac));
  message->set_name(interface.link.name);
  message->set_mtu(interface.link.mtu);
  for (const auto& address : interface.link.addresses) Fill(address, message->add_addresses());
  for (const auto& route : interface.routes) Fill(route, message->add_routes());
  for (const auto& neighbour : interface.neighbours) {
    auto* one = message->add_neighbours();
    one->set_address(neighbour.address);
    one->set_mac(Bytes(neighbour.mac));
  }
}

}  // namespace

v1::Network NetworkMessage(const PodNetwork& network, const DnsConfig& dns) {
  v1::Network message;
  for (const auto& interface : network.interfaces) Fill(interface, message.add_interfaces());
  for (const auto& nameserver : dns.nameservers) message.add_nameservers(nameserver);
  for (const auto& search : dns.searches) message.add_searches(search);
  for (const auto& option : dns.options) message.add_options(option);
  return message;
}

}  // namespace locket::runtime_shim
