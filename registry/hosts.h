// Which servers speak for a registry: containerd's certs.d, with hosts.toml or Docker's certificate
// files, read as containerd's core/remotes/docker/config reads it.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "registry/url.h"

namespace locket::registry {

struct ClientPair {
  std::filesystem::path certificate;
  std::filesystem::path key;  // the same file if it holds both

  bool operator==(const ClientPair&) const = default;
};

// How to know a server, and what to show it. Good for the origin it was written for, and for no
// other.
struct TlsSettings {
  bool skip_verify = false;
  std::vector<std::filesystem::path> ca_files{};  // trusted in addition to the system's
  std::vector<ClientPair> client_pairs{};

  bool operator==(const TlsSettings&) const = default;
};

// One server to ask, in the order given.
struct Endpoint {
  std::string base_url;  // "https://host[:port]/v2" or what replaces it; no slash at the end
  bool can_pull = true;
  bool can_resolve = true;
  bool can_push = true;
  TlsSettings tls{};
  std::vector<std::pair<std::string, std::string>> headers{};  // sent to base_url's origin only
  std::chrono::milliseconds connect_timeout{};                 // zero: the client's
  bool is_mirror = false;  // another server than the registry, known by its own credentials
  std::string problem{};   // not empty: why it can never be asked

  bool operator==(const Endpoint&) const = default;
};

// True where containerd speaks plain http unasked: localhost, 127.0.0.0/8, ::1.
bool IsLoopbackHost(std::string_view host);

// Without configuration: the host itself; docker.io is served by registry-1.docker.io.
Endpoint DefaultEndpoint(std::string_view host);

// True if `base` is not `host`'s own server, so that requests have to say whose image is meant.
bool IsProxyFor(const Url& base, std::string_view host);

// Returns the endpoints of a whole hosts.toml: mirrors in the file's order, then the server.
// `directory` is where relative file names start. A server that no request can be sent to ("*") is
// an endpoint with a `problem`, so that it does not spoil the others. kInvalidArgument: what
// containerd refuses to read, too: not TOML, a wrong type, an unknown capability.
Result<std::vector<Endpoint>> ParseHostsToml(std::string_view toml, std::string_view host,
                                             const std::filesystem::path& directory);

// Reads hosts.toml of the first directory that exists: DIRECTORY/<host>_<port>_, DIRECTORY/<host>
// (with ":port"), DIRECTORY/_default. A directory without hosts.toml, or with an empty one, as
// Docker has them: *.crt are CAs, NAME.cert and NAME.key the client's. Without any directory,
// DefaultEndpoint. Errors name the file.
Result<std::vector<Endpoint>> EndpointsFor(const std::filesystem::path& directory,
                                           std::string_view host);

// Returns the settings that DIRECTORY has for `url`'s own host and port. Without a directory of
// that very name (`_default` does not count) the default ones: the system's CAs, no client.
Result<TlsSettings> TlsFor(const std::filesystem::path& directory, const Url& url);

}  // namespace locket::registry
