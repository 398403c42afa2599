// URLs through libcurl's parser, so that we and the transfer understand the same thing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::registry {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // without brackets
  uint16_t port;       // the scheme's if none stood there
  std::string path;
  std::string text;  // the whole

  // Same scheme, host and port: credentials for one are for the other.
  bool SameOrigin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// kInvalidArgument: not an absolute http or https URL, or one with a user in it.
Result<Url> ParseUrl(std::string_view text);

// `reference` (a Location header) as seen from `base`.
Result<Url> ResolveUrl(const Url& base, std::string_view reference);

// For a query's value.
std::string PercentEncode(std::string_view text);

}  // namespace locket::registry
