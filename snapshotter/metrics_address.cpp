#include "snapshotter/metrics_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <string>

namespace locket::snapshotter {
namespace {

constexpr uint32_t kMaxPort = 65535;

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && port <= kMaxPort;
}

bool IsIpAddress(std::string_view host) {
  in6_addr parsed{};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return ::inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), &parsed) ==
           1;
  }
  return ::inet_pton(AF_INET, std::string(host).c_str(), &parsed) == 1;
}

}  // namespace

// The exposer's own syntax has more, such as certificates, of which nothing is wanted here.
Status CheckMetricsAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon != std::string_view::npos && IsIpAddress(address.substr(0, colon)) &&
      IsPort(address.substr(colon + 1))) {
    return Ok();
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + std::string(address) + "' is no IP address and port, such as 127.0.0.1:9100");
}

}  // namespace locket::snapshotter
