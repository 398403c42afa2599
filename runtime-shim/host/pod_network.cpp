#include "runtime-shim/host/pod_network.h"

#include <algorithm>

namespace locket::runtime_shim {
namespace {

using device::NetworkControl;
using device::NetworkLink;

Error Unfit(const NetworkLink& link, const std::string& why) {
  return {ErrorCode::kFailedPrecondition, "interface '" + link.name + "' " + why};
}

// Every Ethernet link with addresses, with what belongs to it.
Result<std::vector<PodInterface>> Describe(NetworkControl& network) {
  LOCKET_TRY_ASSIGN(auto links, network.Links());
  LOCKET_TRY_ASSIGN(const auto routes, network.Routes());
  LOCKET_TRY_ASSIGN(const auto neighbours, network.PermanentNeighbours());
  std::vector<PodInterface> interfaces;
  for (NetworkLink& link : links) {
    if (link.loopback || link.addresses.empty()) continue;
    if (!link.ethernet) return Unfit(link, "is no Ethernet, and a guest takes over no other kind");
    if (interfaces.size() == kMaxInterfaces) {
      return Unfit(link, "is one too many: a guest takes over " + std::to_string(kMaxInterfaces));
    }
    PodInterface interface { .link = std::move(link) };
    const int index = interface.link.index;
    std::ranges::copy_if(routes, std::back_inserter(interface.routes),
                         [&](const auto& route) { return route.link == index; });
    std::ranges::copy_if(neighbours, std::back_inserter(interface.neighbours),
                         [&](const auto& neighbour) { return neighbour.link == index; });
    interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

// What tc answers when a module is missing is not said in a way that anybody could act upon.
Status WithWayOut(Status done) {
  if (done.ok()) return done;
  const ErrorCode code = done.error().code();
  if (code != ErrorCode::kNotFound && code != ErrorCode::kFailedPrecondition) return done;
  return Error(ErrorCode::kFailedPrecondition,
               done.error().message() +
                   ": this kernel lacks what joins a VM to a pod's network: modprobe sch_ingress "
                   "cls_u32 act_mirred ('locket doctor' looks, too)");
}

Result<int> IndexOf(NetworkControl& network, const std::string& name) {
  LOCKET_TRY_ASSIGN(const auto links, network.Links());
  for (const NetworkLink& link : links) {
    if (link.name == name) return link.index;
  }
  return Error(ErrorCode::kInternal, "the new tap '" + name + "' is not there");
}

// Makes the tap of one interface. The rules on the tap go with it.
Result<UniqueFd> Join(NetworkControl& network, const TapMaker& make_tap, const NetworkLink& link,
                      const std::string& tap_name) {
  LOCKET_TRY_ASSIGN(UniqueFd tap, make_tap(tap_name));
  LOCKET_TRY_ASSIGN(const int index, IndexOf(network, tap_name));
  LOCKET_TRY(network.ChangeLink({.link = index, .mtu = link.mtu, .up = true}));
  LOCKET_TRY(WithWayOut(network.AddIngress(index)));
  LOCKET_TRY(WithWayOut(network.AddRedirect(index, link.index)));
  // The pod's interface last: as long as this one is missing, nothing has changed for it.
  LOCKET_TRY(WithWayOut(network.AddIngress(link.index)));
  const Status joined = WithWayOut(network.AddRedirect(link.index, index));
  if (joined.ok()) return tap;
  (void)network.RemoveIngress(link.index);
  return joined.error();
}

}  // namespace

Result<PodNetwork> BuildPodNetwork(NetworkControl& network, const TapMaker& make_tap,
                                   NetworkUse use) {
  PodNetwork out;
  LOCKET_TRY_ASSIGN(out.interfaces, Describe(network));
  if (use == NetworkUse::kDescribe) return out;
  for (size_t i = 0; i < out.interfaces.size(); ++i) {
    const NetworkLink& link = out.interfaces[i].link;
    auto tap = Join(network, make_tap, link, "locket-tap" + std::to_string(i));
    if (!tap.ok()) {
      for (size_t done = 0; done < i; ++done) {
        (void)network.RemoveIngress(out.interfaces[done].link.index);
      }
      return std::move(tap).error().While("join interface '" + link.name + "' to the VM");
    }
    out.taps.push_back(std::move(tap).value());
  }
  return out;
}

}  // namespace locket::runtime_shim
