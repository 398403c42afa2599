#include "guest-agent/names.h"

#include <algorithm>
#include <string>

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxIdBytes = 100;
constexpr size_t kMaxHostnameBytes = 63;  // sethostname(2) takes 64

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
  const std::string_view last = std::string_view(lower).substr(lower.rfind('.') + 1);
  if (last == "localhost") return true;  // RFC 6761, 6.3
  // As Debian and Red Hat have them in /etc/hosts: ip6-loopback, localhost4.localdomain4.
  const std::string_view first = std::string_view(lower).substr(0, lower.find('.'));
  return last.starts_with("localdomain") || first.starts_with("localhost") ||
         first.starts_with("ip6-") || first == "loopback";
}

bool IsLinkName(std::string_view name) { return !name.empty() && OnlyOf(name, "_-"); }

bool IsResolverWord(std::string_view word) { return OnlyOf(word, "._:-"); }

}  // namespace locket::guest_agent
