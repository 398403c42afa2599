#include "guest-agent/names.h"

#include <algorithm>

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
  if (hostname.size() <= kMaxHostnameBytes && OnlyOf(hostname, ".-")) return Ok();
  return Error(ErrorCode::kInvalidArgument, "a hostname is at most 63 of [A-Za-z0-9.-]");
}

bool IsLinkName(std::string_view name) { return !name.empty() && OnlyOf(name, "_-"); }

bool IsResolverWord(std::string_view word) { return OnlyOf(word, "._:-"); }

}  // namespace locket::guest_agent
