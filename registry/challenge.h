// WWW-Authenticate, as a registry asks who we are (RFC 9110, 11.6.1).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace locket::registry {

struct Challenge {
  std::string scheme;                         // lower case: "bearer", "basic"
  std::map<std::string, std::string> values;  // names in lower case

  bool operator==(const Challenge&) const = default;
};

// Returns the challenges of a header in their order. Parts that cannot be understood are passed
// over, so this does not fail.
std::vector<Challenge> ParseChallenges(std::string_view header);

}  // namespace locket::registry
