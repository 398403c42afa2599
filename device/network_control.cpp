#include "device/network_control.h"

#include <arpa/inet.h>

#include "base/encoding.h"

namespace locket::device {

std::string AddressText(std::string_view bytes) {
  const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
  if (family == AF_INET6 && bytes.size() != sizeof(in6_addr)) return "?";
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr ? "?" : text.data();
}

std::string PrefixText(const IpPrefix& prefix) {
  return AddressText(prefix.address) + "/" + std::to_string(prefix.length);
}

std::string MacText(const MacAddress& mac) {
  std::string text;
  for (const uint8_t byte : mac) {
    if (!text.empty()) text += ':';
    text += HexEncode(std::array{std::byte{byte}});
  }
  return text;
}

}  // namespace locket::device
