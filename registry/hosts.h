// Which servers stand for a registry host: containerd's hosts.toml.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::registry {

// One server to ask, in the order given.
struct Endpoint {
  std::string base_url;  // "https://host[:port]/v2" or what stands for it; no slash at the end
  bool can_pull = true;
  bool can_resolve = true;
  bool can_push = true;
  bool skip_verify = false;
  std::vector<std::filesystem::path> ca_files{};
  std::filesystem::path client_certificate{};
  std::filesystem::path client_key{};
  std::map<std::string, std::string> headers{};
  bool is_mirror = false;

  bool operator==(const Endpoint&) const = default;
};

// True where containerd speaks plain http unasked: localhost, 127.0.0.0/8, ::1.
bool IsLoopbackHost(std::string_view host);

// Without configuration: the host itself; docker.io stands for registry-1.docker.io.
Endpoint DefaultEndpoint(std::string_view host);

// A whole hosts.toml. `directory` is where relative file names start. kInvalidArgument: not TOML, a
// wrong type, an unknown capability, a URL that is none.
Result<std::vector<Endpoint>> ParseHostsToml(std::string_view toml, std::string_view host,
                                             const std::filesystem::path& directory);

// Reads hosts.toml of the first directory that exists: DIRECTORY/<host>_<port>_, DIRECTORY/<host>
// (with ":port"), DIRECTORY/_default. A directory without hosts.toml, as Docker has them: *.crt are
// CAs, *.cert and *.key the client's. Without any directory, DefaultEndpoint.
Result<std::vector<Endpoint>> EndpointsFor(const std::filesystem::path& directory,
                                           std::string_view host);

}  // namespace locket::registry
