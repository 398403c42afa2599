#include "guest-agent/policy/names.h"

#include <algorithm>
#include <array>
#include <string>

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxIdBytes = 100;
constexpr size_t kMaxHostnameBytes = 63;  // sethostname(2) takes 64
// What distributions have in /etc/hosts for ::1 and its kin (Debian ip6-, SUSE ipv6-), and what
// some programs take for the interface itself.
constexpr std::array<std::string_view, 10> kHostsFileNames = {
    "ip6-allhosts", "ip6-allnodes",    "ip6-allrouters", "ip6-localhost", "ip6-localnet",
    "ip6-loopback", "ip6-mcastprefix", "ipv6-localhost", "ipv6-loopback", "loopback"};

bool OnlyOf(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

}  // namespace

Status CheckContainerId(std::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes || id.front() == '.' || id.front() == '-' ||
      !OnlyOf(id, "_.-")) {
    return Error(ErrorCode::kInvalidArgument,
                 "a container ID is 1 to 100 of [A-Za-z0-9_.-] and does not begin with . or -");
  }
  return Ok();
}

Status CheckHostname(std::string_view hostname) {
  if (hostname.size() > kMaxHostnameBytes || !OnlyOf(hostname, ".-")) {
    return Error(ErrorCode::kInvalidArgument, "a hostname is at most 63 of [A-Za-z0-9.-]");
  }
  if (!IsLoopbackName(hostname)) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "hostname '" + std::string(hostname) + "' is a name of the loopback interface");
}

bool IsLoopbackName(std::string_view name) {
  while (name.ends_with('.')) name.remove_suffix(1);
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (std::ranges::find(kHostsFileNames, lower) != kHostsFileNames.end()) return true;
  std::string_view host = lower;
  for (const std::string_view domain : {".localdomain", ".localdomain4", ".localdomain6"}) {
    if (!host.ends_with(domain)) continue;
    host.remove_suffix(domain.size());
    break;
  }
  return host == "localdomain" || host == "localhost" || host == "localhost4" ||
         host == "localhost6" || host.ends_with(".localhost");  // RFC 6761, 6.3
}

bool IsLinkName(std::string_view name) { return !name.empty() && OnlyOf(name, "_-"); }

bool IsResolverWord(std::string_view word) { return OnlyOf(word, "._:-"); }

}  // namespace locket::guest_agent
