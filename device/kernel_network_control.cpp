#include "device/kernel_network_control.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/act/mirred.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/route.h>
#include <netlink/route/tc.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace locket::device {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Socket = std::unique_ptr<nl_sock, Freer<nl_socket_free>>;
using Cache = std::unique_ptr<nl_cache, Freer<nl_cache_free>>;
using Address = std::unique_ptr<nl_addr, Freer<nl_addr_put>>;
using Link = std::unique_ptr<rtnl_link, Freer<rtnl_link_put>>;
using LinkAddress = std::unique_ptr<rtnl_addr, Freer<rtnl_addr_put>>;
using Route = std::unique_ptr<rtnl_route, Freer<rtnl_route_put>>;
using Neighbour = std::unique_ptr<rtnl_neigh, Freer<rtnl_neigh_put>>;
using Qdisc = std::unique_ptr<rtnl_qdisc, Freer<rtnl_qdisc_put>>;
using Filter = std::unique_ptr<rtnl_cls, Freer<rtnl_cls_put>>;
using Action = std::unique_ptr<rtnl_act, Freer<rtnl_act_put>>;

constexpr uint32_t kIngressHandle = TC_HANDLE(0xffff, 0);
constexpr uint16_t kFilterPriority = 1;

ErrorCode CodeOf(int nle) {
  switch (nle) {
    case NLE_OBJ_NOTFOUND:
    case NLE_NODEV:
      return ErrorCode::kNotFound;
    case NLE_EXIST:
      return ErrorCode::kAlreadyExists;
    case NLE_PERM:
    case NLE_NOACCESS:
      return ErrorCode::kPermissionDenied;
    case NLE_INVAL:
    case NLE_RANGE:
      return ErrorCode::kInvalidArgument;
    case NLE_OPNOTSUPP:
      return ErrorCode::kFailedPrecondition;
    default:
      return ErrorCode::kInternal;
  }
}

// libnl answers 0 or a negated NLE_*.
Status Check(int result, const std::string& doing) {
  if (result >= 0) return Ok();
  return Error(CodeOf(-result), doing + ": " + nl_geterror(result));
}

std::string Named(const char* what, int link) {
  return std::string(what) + " link " + std::to_string(link);
}

// Of no bytes for an address that is not there.
std::string BytesOf(nl_addr* address) {
  if (address == nullptr) return {};
  return {static_cast<const char*>(nl_addr_get_binary_addr(address)), nl_addr_get_len(address)};
}

Address Make(const std::string& bytes) {
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  return Address(nl_addr_build(family, bytes.data(), bytes.size()));
}

Address Make(const IpPrefix& prefix) {
  Address address = Make(prefix.address);
  nl_addr_set_prefixlen(address.get(), static_cast<int>(prefix.length));
  return address;
}

MacAddress MacOf(nl_addr* address) {
  MacAddress mac{};
  const std::string bytes = BytesOf(address);
  if (bytes.size() == mac.size()) std::memcpy(mac.data(), bytes.data(), mac.size());
  return mac;
}

// Calls `take` for each object of `cache`, which are of type T, until it fails.
template <typename T, typename Take>
Status ForEach(nl_cache* cache, Take take) {
  for (nl_object* object = nl_cache_get_first(cache); object != nullptr;
       object = nl_cache_get_next(object)) {
    LOCKET_TRY(take(reinterpret_cast<T*>(object)));
  }
  return Ok();
}

bool IsLinkLocal(const std::string& address) {
  return address.size() == 16 && static_cast<uint8_t>(address[0]) == 0xfe &&
         (static_cast<uint8_t>(address[1]) & 0xc0) == 0x80;
}

bool IsConfigured(rtnl_route* route) {
  return rtnl_route_get_table(route) == RT_TABLE_MAIN &&
         rtnl_route_get_type(route) == RTN_UNICAST && rtnl_route_get_protocol(route) != RTPROT_RA &&
         !IsLinkLocal(BytesOf(rtnl_route_get_dst(route)));
}

Result<NetworkRoute> RouteFrom(rtnl_route* route) {
  nl_addr* const dst = rtnl_route_get_dst(route);
  NetworkRoute out{.link = 0, .destination = {.address = BytesOf(dst), .length = 0}};
  // The default route has no destination to speak of.
  if (out.destination.address.empty()) {
    out.destination.address.assign(rtnl_route_get_family(route) == AF_INET ? 4 : 16, '\0');
  } else {
    out.destination.length = nl_addr_get_prefixlen(dst);
  }
  const std::string name = "route to " + PrefixText(out.destination);
  if (rtnl_route_get_nnexthops(route) != 1) {
    return Error(ErrorCode::kFailedPrecondition, name + " has several next hops");
  }
  rtnl_nexthop* const hop = rtnl_route_nexthop_n(route, 0);
  if (rtnl_route_nh_get_via(hop) != nullptr) {
    return Error(ErrorCode::kFailedPrecondition, name + " has a gateway of another family");
  }
  out.link = rtnl_route_nh_get_ifindex(hop);
  out.gateway = BytesOf(rtnl_route_nh_get_gateway(hop));
  out.source = BytesOf(rtnl_route_get_pref_src(route));
  out.metric = rtnl_route_get_priority(route);
  out.onlink = (rtnl_route_nh_get_flags(hop) & RTNH_F_ONLINK) != 0;
  return out;
}

class KernelNetworkControl final : public NetworkControl {
 public:
  explicit KernelNetworkControl(Socket socket) : socket_(std::move(socket)) {}

  Result<std::vector<NetworkLink>> Links() override {
    nl_cache* raw = nullptr;
    LOCKET_TRY(Check(rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &raw), "list links"));
    const Cache cache(raw);
    std::map<int, NetworkLink> links;
    LOCKET_TRY(ForEach<rtnl_link>(raw, [&](rtnl_link* link) {
      const int index = rtnl_link_get_ifindex(link);
      const bool loopback = (rtnl_link_get_flags(link) & IFF_LOOPBACK) != 0;
      links.emplace(index, NetworkLink{.index = index,
                                       .name = rtnl_link_get_name(link),
                                       .mac = MacOf(rtnl_link_get_addr(link)),
                                       .mtu = rtnl_link_get_mtu(link),
                                       .ethernet = rtnl_link_get_arptype(link) == ARPHRD_ETHER,
                                       .loopback = loopback});
      return Ok();
    }));
    LOCKET_TRY(ReadAddresses(links));
    std::vector<NetworkLink> out;
    for (auto& [index, link] : links) out.push_back(std::move(link));
    return out;
  }

  Result<std::vector<NetworkRoute>> Routes() override {
    nl_cache* raw = nullptr;
    LOCKET_TRY(Check(rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &raw), "list routes"));
    const Cache cache(raw);
    std::vector<NetworkRoute> out;
    LOCKET_TRY(ForEach<rtnl_route>(raw, [&](rtnl_route* route) -> Status {
      if (!IsConfigured(route)) return Ok();
      LOCKET_TRY_ASSIGN(out.emplace_back(), RouteFrom(route));
      return Ok();
    }));
    return out;
  }

  Result<std::vector<NetworkNeighbour>> PermanentNeighbours() override {
    nl_cache* raw = nullptr;
    LOCKET_TRY(Check(rtnl_neigh_alloc_cache(socket_.get(), &raw), "list neighbours"));
    const Cache cache(raw);
    std::vector<NetworkNeighbour> out;
    LOCKET_TRY(ForEach<rtnl_neigh>(raw, [&](rtnl_neigh* neighbour) {
      const std::string address = BytesOf(rtnl_neigh_get_dst(neighbour));
      nl_addr* const mac = rtnl_neigh_get_lladdr(neighbour);
      if ((rtnl_neigh_get_state(neighbour) & NUD_PERMANENT) == 0 || address.empty() ||
          mac == nullptr || nl_addr_get_len(mac) != MacAddress{}.size()) {
        return Ok();
      }
      out.push_back(
          {.link = rtnl_neigh_get_ifindex(neighbour), .address = address, .mac = MacOf(mac)});
      return Ok();
    }));
    return out;
  }

  Status ChangeLink(const LinkChange& change) override {
    const std::string doing = Named("change", change.link);
    rtnl_link* raw = nullptr;
    LOCKET_TRY(Check(rtnl_link_get_kernel(socket_.get(), change.link, nullptr, &raw), doing));
    const Link old(raw);
    const Link wanted(rtnl_link_alloc());
    if (change.name) rtnl_link_set_name(wanted.get(), change.name->c_str());
    if (change.mtu) rtnl_link_set_mtu(wanted.get(), *change.mtu);
    if (change.up) rtnl_link_set_flags(wanted.get(), IFF_UP);
    return Check(rtnl_link_change(socket_.get(), old.get(), wanted.get(), 0), doing);
  }

  Status AddAddress(int link, const IpPrefix& prefix) override {
    const LinkAddress address(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(address.get(), link);
    LOCKET_TRY(Check(rtnl_addr_set_local(address.get(), Make(prefix).get()), "add address"));
    rtnl_addr_set_flags(address.get(), IFA_F_NOPREFIXROUTE | IFA_F_NODAD);
    return Check(rtnl_addr_add(socket_.get(), address.get(), NLM_F_EXCL),
                 "add address " + PrefixText(prefix));
  }

  Status AddRoute(const NetworkRoute& wanted) override {
    const std::string doing = "add route to " + PrefixText(wanted.destination);
    const Route route(rtnl_route_alloc());
    LOCKET_TRY(Check(rtnl_route_set_dst(route.get(), Make(wanted.destination).get()), doing));
    rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
    rtnl_route_set_protocol(route.get(), RTPROT_STATIC);
    rtnl_route_set_scope(route.get(), wanted.gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    rtnl_route_set_priority(route.get(), wanted.metric);
    if (!wanted.source.empty()) {
      LOCKET_TRY(Check(rtnl_route_set_pref_src(route.get(), Make(wanted.source).get()), doing));
    }
    rtnl_nexthop* const hop = rtnl_route_nh_alloc();
    rtnl_route_nh_set_ifindex(hop, wanted.link);
    if (!wanted.gateway.empty()) rtnl_route_nh_set_gateway(hop, Make(wanted.gateway).get());
    if (wanted.onlink) {
      rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
      rtnl_route_set_flags(route.get(), RTNH_F_ONLINK);
    }
    rtnl_route_add_nexthop(route.get(), hop);  // takes it
    return Check(rtnl_route_add(socket_.get(), route.get(), NLM_F_EXCL), doing);
  }

  Status AddPermanentNeighbour(const NetworkNeighbour& wanted) override {
    const Neighbour neighbour(rtnl_neigh_alloc());
    const Address mac(nl_addr_build(AF_LLC, wanted.mac.data(), wanted.mac.size()));
    rtnl_neigh_set_ifindex(neighbour.get(), wanted.link);
    rtnl_neigh_set_lladdr(neighbour.get(), mac.get());
    rtnl_neigh_set_dst(neighbour.get(), Make(wanted.address).get());
    rtnl_neigh_set_state(neighbour.get(), NUD_PERMANENT);
    return Check(rtnl_neigh_add(socket_.get(), neighbour.get(), NLM_F_CREATE | NLM_F_EXCL),
                 "add neighbour " + AddressText(wanted.address));
  }

  Status AddIngress(int link) override {
    return Check(rtnl_qdisc_add(socket_.get(), IngressOf(link).get(), NLM_F_CREATE | NLM_F_EXCL),
                 Named("add an ingress qdisc to", link));
  }

  Status RemoveIngress(int link) override {
    const auto removed = Check(rtnl_qdisc_delete(socket_.get(), IngressOf(link).get()),
                               Named("remove the ingress qdisc of", link));
    if (removed.ok()) return removed;
    // The kernel says "invalid" of a qdisc that is not there.
    const ErrorCode code = removed.error().code();
    const bool absent = code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument;
    return absent ? Ok() : removed;
  }

  Status AddRedirect(int from, int to) override {
    const std::string doing = "redirect link " + std::to_string(from) + " to " + std::to_string(to);
    const Filter filter(rtnl_cls_alloc());
    rtnl_tc* const tc = TC_CAST(filter.get());
    rtnl_tc_set_ifindex(tc, from);
    rtnl_tc_set_parent(tc, kIngressHandle);
    rtnl_cls_set_prio(filter.get(), kFilterPriority);
    rtnl_cls_set_protocol(filter.get(), ETH_P_ALL);
    LOCKET_TRY(Check(rtnl_tc_set_kind(tc, "u32"), doing));
    // No bit has to match: everything does.
    LOCKET_TRY(Check(rtnl_u32_add_key_uint32(filter.get(), 0, 0, 0, 0), doing));
    LOCKET_TRY(Check(rtnl_u32_set_cls_terminal(filter.get()), doing));
    const Action action(rtnl_act_alloc());
    LOCKET_TRY(Check(rtnl_tc_set_kind(TC_CAST(action.get()), "mirred"), doing));
    rtnl_mirred_set_action(action.get(), TCA_EGRESS_REDIR);
    rtnl_mirred_set_policy(action.get(), TC_ACT_STOLEN);
    rtnl_mirred_set_ifindex(action.get(), static_cast<uint32_t>(to));
    LOCKET_TRY(Check(rtnl_u32_add_action(filter.get(), action.get()), doing));
    return Check(rtnl_cls_add(socket_.get(), filter.get(), NLM_F_CREATE | NLM_F_EXCL), doing);
  }

 private:
  Status ReadAddresses(std::map<int, NetworkLink>& links) {
    nl_cache* raw = nullptr;
    LOCKET_TRY(Check(rtnl_addr_alloc_cache(socket_.get(), &raw), "list addresses"));
    const Cache cache(raw);
    return ForEach<rtnl_addr>(raw, [&](rtnl_addr* address) {
      const auto link = links.find(rtnl_addr_get_ifindex(address));
      const std::string bytes = BytesOf(rtnl_addr_get_local(address));
      const bool permanent = (rtnl_addr_get_flags(address) & IFA_F_PERMANENT) != 0;
      if (link == links.end() || bytes.empty() || !permanent || IsLinkLocal(bytes)) return Ok();
      const auto length = static_cast<uint32_t>(rtnl_addr_get_prefixlen(address));
      link->second.addresses.push_back({.address = bytes, .length = length});
      return Ok();
    });
  }

  static Qdisc IngressOf(int link) {
    Qdisc qdisc(rtnl_qdisc_alloc());
    rtnl_tc* const tc = TC_CAST(qdisc.get());
    rtnl_tc_set_ifindex(tc, link);
    rtnl_tc_set_parent(tc, TC_H_INGRESS);
    rtnl_tc_set_handle(tc, kIngressHandle);
    (void)rtnl_tc_set_kind(tc, "ingress");  // libnl knows the name
    return qdisc;
  }

  const Socket socket_;
};

}  // namespace

Result<std::unique_ptr<NetworkControl>> OpenKernelNetworkControl() {
  Socket socket(nl_socket_alloc());
  LOCKET_TRY(Check(nl_connect(socket.get(), NETLINK_ROUTE), "open a netlink socket"));
  return std::unique_ptr<NetworkControl>(std::make_unique<KernelNetworkControl>(std::move(socket)));
}

}  // namespace locket::device
