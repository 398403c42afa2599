// Any network that a host may send is refused, or is one that the kernel can be asked for and that
// writes an /etc/hosts and a resolv.conf of whole lines.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "guest-agent/network/network.h"
#include "proto/agent.pb.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  agent::v1::Network message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto network = guest_agent::DecodeNetwork(message);
  if (!network.ok()) return 0;
  Require(network->interfaces.size() <= guest_agent::kMaxInterfaces);
  for (const auto& interface : network->interfaces) {
    Require(!interface.name.empty() && interface.name.size() < 16);
    Require(interface.name.find_first_of("/. \n") == std::string::npos);
    for (const auto& route : interface.routes) {
      const size_t bytes = route.destination.address.size();
      Require(bytes == 4 || bytes == 16);
      Require(route.destination.length <= bytes * 8);
      Require(route.gateway.empty() || route.gateway.size() == bytes);
    }
  }
  const std::string resolv_conf = guest_agent::ResolvConfText(*network);
  const size_t lines = network->nameservers.size() + (network->searches.empty() ? 0 : 1) +
                       (network->options.empty() ? 0 : 1);
  Require(static_cast<size_t>(std::ranges::count(resolv_conf, '\n')) == lines);
  Require(guest_agent::HostsText(*network, "h").find('?') == std::string::npos);
  return 0;
}
