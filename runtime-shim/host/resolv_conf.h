// resolv.conf(5), as far as resolvers agree on it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxResolvConfBytes = 64U << 10;
inline constexpr size_t kMaxNameservers = 3;  // more than these no resolver asks
inline constexpr size_t kMaxSearches = 32;    // Kubernetes allows as many
inline constexpr size_t kMaxResolverOptions = 32;

struct DnsConfig {
  std::vector<std::string> nameservers{};  // 4 or 16 bytes each, network order
  std::vector<std::string> searches{};
  std::vector<std::string> options{};
  bool operator==(const DnsConfig&) const = default;
};

// Reads as glibc does: the first three nameservers count, of `search` and `domain` lines the last,
// and what is none of these is left out, a nameserver that is no plain address too.
// kInvalidArgument: more bytes, search domains or options than the limits above.
Result<DnsConfig> ParseResolvConf(std::string_view text);

}  // namespace locket::runtime_shim
