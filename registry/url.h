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
  uint16_t port;       // the scheme's if none is written
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

// "host", "host:port", "[::1]:port": as registries are named, without the scheme's own port.
std::string HostPort(const Url& url);

// "https://host:port", for a person.
std::string Origin(const Url& url);

// `url` as it may be used on the way from `from`. A server behind a gateway may not know that its
// clients speak https, so an http URL of the same host becomes https. kFailedPrecondition: it leads
// from https to plain http elsewhere.
Result<Url> StayOnHttps(const Url& from, Url url);

// For a query's value.
std::string PercentEncode(std::string_view text);

}  // namespace locket::registry
