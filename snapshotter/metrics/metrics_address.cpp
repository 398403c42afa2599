#include "snapshotter/metrics/metrics_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>
#include <string>

namespace locket::snapshotter {
namespace {

constexpr std::string_view kUnixScheme = "unix://";
constexpr mode_t kSocketMode = 0666;

struct HostPort {
  std::string host;
  uint16_t port;
};

bool IsIpAddress(const std::string& host, int family) {
  in6_addr parsed{};
  return ::inet_pton(family, host.c_str(), &parsed) == 1;
}

// Nothing: it is none.
std::optional<HostPort> ParseHostPort(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = address.substr(0, colon);
  const std::string_view port_text = address.substr(colon + 1);
  uint16_t port = 0;
  const auto parsed = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != port_text.data() + port_text.size()) {
    return std::nullopt;
  }
  const bool is_v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_v6) host = host.substr(1, host.size() - 2);
  const HostPort found{.host = std::string(host), .port = port};
  if (!IsIpAddress(found.host, is_v6 ? AF_INET6 : AF_INET)) return std::nullopt;
  return found;
}

// Nothing: it is none.
std::optional<std::filesystem::path> ParseSocket(std::string_view address) {
  if (!address.starts_with(kUnixScheme)) return std::nullopt;
  const std::filesystem::path path(address.substr(kUnixScheme.size()));
  if (!path.is_absolute() || !path.has_filename()) return std::nullopt;
  return path;
}

}  // namespace

Status CheckMetricsAddress(std::string_view address) {
  if (ParseHostPort(address) || ParseSocket(address)) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "'" + std::string(address) +
                   "' is no IP address and port, such as 127.0.0.1:9100, and no socket, such as "
                   "unix:///run/locket/metrics.sock");
}

Result<Listener> ListenForMetrics(std::string_view address) {
  LOCKET_TRY(CheckMetricsAddress(address));
  if (const auto socket = ParseSocket(address)) return Listener::Listen(*socket, kSocketMode);
  const auto tcp = ParseHostPort(address);
  return Listener::ListenTcp(tcp->host, tcp->port);
}

}  // namespace locket::snapshotter
