#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <set>

#include "guest-agent/network/network.h"
#include "guest-agent/policy/names.h"
#include "proto/agent.pb.h"

namespace locket::guest_agent {
namespace {

namespace v1 = ::locket::agent::v1;

constexpr size_t kIpv4Bytes = 4;
constexpr size_t kIpv6Bytes = 16;
constexpr size_t kMaxLinkName = 15;  // IFNAMSIZ, with its end
constexpr uint32_t kMinMtu = 68;     // RFC 791
constexpr uint32_t kMinIpv6Mtu = 1280;
constexpr uint32_t kMaxMtu = 65535;
constexpr size_t kMaxDomainBytes = 253;
constexpr size_t kMaxOptionBytes = 64;

Error Bad(const std::string& what) {
  return {ErrorCode::kInvalidArgument, "the host's network: " + what};
}

Status CheckCount(int count, int most, const char* what) {
  if (count <= most) return Ok();
  return Bad(std::to_string(count) + " " + what + ", more than " + std::to_string(most));
}

bool IsAddress(const std::string& bytes) {
  return bytes.size() == kIpv4Bytes || bytes.size() == kIpv6Bytes;
}

device::IpPrefix Range(std::initializer_list<uint8_t> head, size_t bytes, uint32_t length) {
  std::string address(head.begin(), head.end());
  address.resize(bytes, '\0');
  return {.address = std::move(address), .length = length};
}

// Ranges that lead to the machine itself: its loopback interface, or an IPv4 address in disguise.
const std::vector<device::IpPrefix>& OwnRanges() {
  static const std::vector<device::IpPrefix> kRanges = {
      Range({127}, kIpv4Bytes, 8),
      Range({}, kIpv6Bytes, 96),  // unspecified, loopback, IPv4-compatible
      Range({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, kIpv6Bytes, 96),  // IPv4-mapped
      Range({0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, kIpv6Bytes, 96),        // IPv4-translated
      Range({0, 0x64, 0xff, 0x9b}, kIpv6Bytes, 96),                       // NAT64, RFC 6052
      Range({0, 0x64, 0xff, 0x9b, 0, 1}, kIpv6Bytes, 48)};                // NAT64, RFC 8215
  return kRanges;
}

bool IsWithin(const std::string& address, const device::IpPrefix& range) {
  if (address.size() != range.address.size()) return false;
  for (uint32_t bit = 0; bit < range.length; ++bit) {
    const int differs = (address[bit / 8] ^ range.address[bit / 8]) >> (7 - bit % 8);
    if ((differs & 1) != 0) return false;
  }
  return true;
}

bool IsOwn(const std::string& address) {
  return std::ranges::any_of(OwnRanges(), [&](const auto& one) { return IsWithin(address, one); });
}

// An address that one other machine may have: not 0.0.0.0/8, multicast, reserved or our own.
bool IsUnicast(const std::string& bytes) {
  if (!IsAddress(bytes) || IsOwn(bytes)) return false;
  const auto first = static_cast<uint8_t>(bytes[0]);
  return bytes.size() == kIpv4Bytes ? first != 0 && first < 224 : first != 0xff;
}

Result<device::MacAddress> DecodeMac(const std::string& bytes) {
  device::MacAddress mac{};
  if (bytes.size() != mac.size()) return Bad("a MAC address is 6 bytes");
  std::memcpy(mac.data(), bytes.data(), mac.size());
  if ((mac[0] & 1) != 0) return Bad("MAC " + device::MacText(mac) + " is no device's own");
  return mac;
}

Result<device::IpPrefix> DecodePrefix(const v1::IpPrefix& message, const char* what) {
  if (!IsAddress(message.address())) return Bad(std::string(what) + " is neither 4 nor 16 bytes");
  if (message.length() > message.address().size() * 8) {
    return Bad(std::string(what) + " has a prefix of " + std::to_string(message.length()) +
               " bits");
  }
  return device::IpPrefix{.address = message.address(), .length = message.length()};
}

// Empty, or of the destination's family.
Status CheckHop(const std::string& hop, const device::IpPrefix& destination, const char* what) {
  if (hop.empty() || (IsUnicast(hop) && hop.size() == destination.address.size())) return Ok();
  return Bad("route to " + device::PrefixText(destination) + ": its " + what + " is no address");
}

Result<device::NetworkRoute> DecodeRoute(const v1::NetworkRoute& message) {
  LOCKET_TRY_ASSIGN(auto destination, DecodePrefix(message.destination(), "a destination"));
  if (destination.length > 0 && IsOwn(destination.address)) {
    return Bad("a route to " + device::PrefixText(destination) + " leads to the guest itself");
  }
  LOCKET_TRY(CheckHop(message.gateway(), destination, "gateway"));
  LOCKET_TRY(CheckHop(message.source(), destination, "source"));
  return device::NetworkRoute{.link = 0,
                              .destination = std::move(destination),
                              .gateway = message.gateway(),
                              .source = message.source(),
                              .metric = message.metric(),
                              .onlink = message.onlink()};
}

Status DecodeLists(const v1::NetworkInterface& message, GuestInterface& out) {
  LOCKET_TRY(CheckCount(message.addresses_size(), kMaxAddresses, "addresses"));
  LOCKET_TRY(CheckCount(message.routes_size(), kMaxRoutes, "routes"));
  LOCKET_TRY(CheckCount(message.neighbours_size(), kMaxNeighbours, "neighbours"));
  for (const auto& address : message.addresses()) {
    LOCKET_TRY_ASSIGN(auto prefix, DecodePrefix(address, "an address"));
    if (!IsUnicast(prefix.address)) {
      return Bad(device::AddressText(prefix.address) + " is no machine's address");
    }
    if (prefix.address.size() == kIpv6Bytes && out.mtu < kMinIpv6Mtu) {
      return Bad("MTU " + std::to_string(out.mtu) + " is too small for IPv6");
    }
    out.addresses.push_back(std::move(prefix));
  }
  for (const auto& route : message.routes()) {
    LOCKET_TRY_ASSIGN(auto decoded, DecodeRoute(route));
    out.routes.push_back(std::move(decoded));
  }
  for (const auto& neighbour : message.neighbours()) {
    if (!IsUnicast(neighbour.address())) return Bad("a neighbour has no address");
    LOCKET_TRY_ASSIGN(const auto mac, DecodeMac(neighbour.mac()));
    out.neighbours.push_back({.link = 0, .address = neighbour.address(), .mac = mac});
  }
  return Ok();
}

Result<GuestInterface> DecodeInterface(const v1::NetworkInterface& message) {
  LOCKET_TRY_ASSIGN(const auto mac, DecodeMac(message.mac()));
  const std::string& name = message.name();
  // As paths of kernel parameters, and not to be taken for the guest's own.
  if (name.size() > kMaxLinkName || !IsLinkName(name) || name == "lo" || name == "all" ||
      name == "default" || name.starts_with("locket")) {
    return Bad("an interface's name is 1 to 15 of [A-Za-z0-9_-], and none of the kernel's own");
  }
  if (message.mtu() < kMinMtu || message.mtu() > kMaxMtu) {
    return Bad("interface '" + name + "' has an MTU of " + std::to_string(message.mtu()));
  }
  GuestInterface interface { .mac = mac, .name = name, .mtu = message.mtu() };
  LOCKET_TRY(DecodeLists(message, interface));
  return interface;
}

Status CheckWords(const google::protobuf::RepeatedPtrField<std::string>& words, size_t most_bytes,
                  const char* what) {
  for (const std::string& word : words) {
    if (word.empty() || word.size() > most_bytes || !IsResolverWord(word)) {
      return Bad(std::string(what) + " is not at most " + std::to_string(most_bytes) +
                 " of [A-Za-z0-9._:-]");
    }
  }
  return Ok();
}

Status DecodeDns(const v1::Network& message, GuestNetwork& out) {
  LOCKET_TRY(CheckCount(message.nameservers_size(), kMaxNameservers, "nameservers"));
  LOCKET_TRY(CheckCount(message.searches_size(), kMaxSearches, "search domains"));
  LOCKET_TRY(CheckCount(message.options_size(), kMaxResolverOptions, "resolver options"));
  for (const std::string& nameserver : message.nameservers()) {
    if (!IsAddress(nameserver)) return Bad("a nameserver is neither 4 nor 16 bytes");
    // A node's own resolver (127.0.0.53) is in its file, and is not to be found in a guest.
    if (IsOwn(nameserver)) continue;
    if (!IsUnicast(nameserver)) {
      return Bad("nameserver " + device::AddressText(nameserver) + " is no machine's address");
    }
    out.nameservers.push_back(nameserver);
  }
  LOCKET_TRY(CheckWords(message.searches(), kMaxDomainBytes, "a search domain"));
  LOCKET_TRY(CheckWords(message.options(), kMaxOptionBytes, "a resolver option"));
  out.searches.assign(message.searches().begin(), message.searches().end());
  out.options.assign(message.options().begin(), message.options().end());
  return Ok();
}

}  // namespace

Result<GuestNetwork> DecodeNetwork(const v1::Network& message) {
  LOCKET_TRY(CheckCount(message.interfaces_size(), kMaxInterfaces, "interfaces"));
  GuestNetwork network;
  std::set<std::string> names;
  std::set<device::MacAddress> macs;
  for (const auto& one : message.interfaces()) {
    LOCKET_TRY_ASSIGN(auto interface, DecodeInterface(one));
    if (!names.insert(interface.name).second || !macs.insert(interface.mac).second) {
      return Bad("two interfaces have the same name or MAC");
    }
    network.interfaces.push_back(std::move(interface));
  }
  LOCKET_TRY(DecodeDns(message, network));
  return network;
}

}  // namespace locket::guest_agent
