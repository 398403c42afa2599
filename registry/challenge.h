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

// What can be understood of the header, in order; the rest is passed over.
std::vector<Challenge> ParseChallenges(std::string_view header);

}  // namespace locket::registry
