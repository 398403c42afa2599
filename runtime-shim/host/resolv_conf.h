// resolv.conf(5), as far as all resolvers read it the same way.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxResolvConfBytes = 64U << 10;
inline constexpr size_t kMaxNameservers = 3;  // resolvers ask no more than these
inline constexpr size_t kMaxSearches = 32;    // Kubernetes allows as many
inline constexpr size_t kMaxResolverOptions = 32;

struct DnsConfig {
  std::vector<std::string> nameservers{};  // 4 or 16 bytes each, network order
  std::vector<std::string> searches{};
  std::vector<std::string> options{};
  bool operator==(const DnsConfig&) const = default;
};

// Returns what a resolver takes from `text`, read as glibc does: the first three nameservers, the
// last line of those with `search` or `domain`, and all options. Other lines are left out, and so
// is a nameserver that is not a plain address. kInvalidArgument: more bytes, search domains or
// options than the limits above.
Result<DnsConfig> ParseResolvConf(std::string_view text);

}  // namespace locket::runtime_shim
