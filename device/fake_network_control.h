// A kernel's network in memory, with the rules that callers depend on.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "device/network_control.h"

namespace locket::device {

class FakeNetworkControl final : public NetworkControl {
 public:
  // The nth call from now on fails; 0: none.
  void FailCall(int nth) { fail_call_ = nth; }

  // The link's index; it is down and has a MAC of its own.
  int AddLink(const std::string& name, bool ethernet = true) {
    const int index = next_index_++;
    links_[index] = {
        .index = index, .name = name, .mtu = 1500, .ethernet = ethernet, .loopback = false};
    links_[index].mac = {0x02, 0, 0, 0, 0, static_cast<uint8_t>(index)};
    return index;
  }
  NetworkLink& link(int index) { return links_.at(index); }
  void RemoveLink(int index) {
    links_.erase(index);
    up_.erase(index);
    ingress_.erase(index);
  }
  bool is_up(int index) const { return up_.contains(index); }
  const std::vector<NetworkRoute>& routes() const { return routes_; }
  const std::vector<NetworkNeighbour>& neighbours() const { return neighbours_; }
  // Where what comes in on a link with an ingress goes to; 0: to its own kernel.
  const std::map<int, int>& ingress() const { return ingress_; }

  Result<std::vector<NetworkLink>> Links() override {
    LOCKET_TRY(Count());
    std::vector<NetworkLink> all;
    for (const auto& [index, link] : links_) all.push_back(link);
    return all;
  }
  Result<std::vector<NetworkRoute>> Routes() override {
    LOCKET_TRY(Count());
    return routes_;
  }
  Result<std::vector<NetworkNeighbour>> PermanentNeighbours() override {
    LOCKET_TRY(Count());
    return neighbours_;
  }
  Status ChangeLink(const LinkChange& change) override {
    LOCKET_TRY(Count());
    LOCKET_TRY(Require(change.link));
    if (change.name) {
      for (const auto& [index, other] : links_) {
        if (index != change.link && other.name == *change.name) return Exists(*change.name);
      }
      links_[change.link].name = *change.name;
    }
    if (change.mtu) links_[change.link].mtu = *change.mtu;
    if (change.up) up_.insert(change.link);
    return Ok();
  }
  Status AddAddress(int link, const IpPrefix& address) override {
    LOCKET_TRY(Count());
    LOCKET_TRY(Require(link));
    auto& addresses = links_[link].addresses;
    if (std::ranges::find(addresses, address) != addresses.end()) return Exists("address");
    addresses.push_back(address);
    return Ok();
  }
  Status AddRoute(const NetworkRoute& route) override {
    LOCKET_TRY(Count());
    LOCKET_TRY(Require(route.link));
    if (!route.gateway.empty() && !route.onlink && !Reaches(route.link, route.gateway)) {
      return Error(ErrorCode::kInternal, "no route to the gateway");
    }
    routes_.push_back(route);
    return Ok();
  }
  Status AddPermanentNeighbour(const NetworkNeighbour& neighbour) override {
    LOCKET_TRY(Count());
    LOCKET_TRY(Require(neighbour.link));
    neighbours_.push_back(neighbour);
    return Ok();
  }
  Status AddIngress(int link) override {
    LOCKET_TRY(Count());
    LOCKET_TRY(Require(link));
    return ingress_.emplace(link, 0).second ? Ok() : Exists("ingress");
  }
  Status RemoveIngress(int link) override {
    LOCKET_TRY(Count());
    ingress_.erase(link);
    return Ok();
  }
  Status AddRedirect(int from, int to) override {
    LOCKET_TRY(Count());
    LOCKET_TRY(Require(to));
    const auto ingress = ingress_.find(from);
    if (ingress == ingress_.end()) return Error(ErrorCode::kInvalidArgument, "no ingress");
    if (ingress->second != 0) return Exists("redirection");
    ingress->second = to;
    return Ok();
  }

 private:
  static Error Exists(const std::string& what) {
    return {ErrorCode::kAlreadyExists, what + " exists already"};
  }
  Status Require(int link) const {
    if (links_.contains(link)) return Ok();
    return Error(ErrorCode::kNotFound, "there is no link " + std::to_string(link));
  }
  Status Count() {
    if (fail_call_ > 0 && --fail_call_ == 0) {
      return Error(ErrorCode::kInternal, "network call made to fail");
    }
    return Ok();
  }
  // Is `address` the destination of a route without a gateway?
  bool Reaches(int link, const std::string& address) const {
    return std::ranges::any_of(routes_, [&](const NetworkRoute& route) {
      return route.link == link && route.gateway.empty() &&
             route.destination.address.size() == address.size() &&
             SameBits(route.destination.address, address, route.destination.length);
    });
  }
  static bool SameBits(const std::string& a, const std::string& b, uint32_t bits) {
    for (uint32_t i = 0; i < bits; ++i) {
      if (((a[i / 8] ^ b[i / 8]) & (0x80 >> (i % 8))) != 0) return false;
    }
    return true;
  }

  std::map<int, NetworkLink> links_;
  std::set<int> up_;
  std::vector<NetworkRoute> routes_;
  std::vector<NetworkNeighbour> neighbours_;
  std::map<int, int> ingress_;
  int next_index_ = 2;  // 1 is the loopback link's
  int fail_call_ = 0;
};

}  // namespace locket::device
