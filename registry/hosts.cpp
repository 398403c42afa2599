#include "registry/hosts.h"

#include <algorithm>
#include <sstream>
#include <toml.hpp>
#include <utility>

#include "base/file.h"
#include "base/toml_mistake.h"
#include "base/utf8.h"
#include "registry/url.h"

namespace locket::registry {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxFileBytes = 1U << 20;
constexpr size_t kMaxBrackets = 1024;  // toml11 recurses into them

Error Bad(std::string why) { return {ErrorCode::kInvalidArgument, std::move(why)}; }

Result<toml::value> ParseToml(std::string_view text) {
  const auto opening =
      std::ranges::count_if(text, [](char c) { return c == '[' || c == '{' || c == '.'; });
  if (text.size() > kMaxFileBytes || static_cast<size_t>(opening) > kMaxBrackets) {
    return Bad("too large");
  }
  LOCKET_TRY(CheckUtf8(text).While("not TOML"));
  try {
    std::istringstream in{std::string(text)};
    return toml::parse(in, "hosts.toml");
  } catch (const std::exception& e) {
    return Bad("not TOML: " + TomlMistake(e.what()));
  }
}

const toml::value* FindValue(const toml::table& table, const char* name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->second;
}

// Text, or a list of it.
Result<std::vector<std::string>> Texts(const toml::value& value, const char* name) {
  if (value.is_string()) return std::vector<std::string>{value.as_string().str};
  if (!value.is_array()) return Bad(std::string("'") + name + "' is neither text nor a list");
  std::vector<std::string> texts;
  for (const auto& item : value.as_array()) {
    if (!item.is_string()) return Bad(std::string("'") + name + "': an entry is not text");
    texts.push_back(item.as_string().str);
  }
  return texts;
}

Status ReadCapabilities(const toml::table& table, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "capabilities");
  if (value == nullptr) return Ok();
  LOCKET_TRY_ASSIGN(const auto names, Texts(*value, "capabilities"));
  endpoint.can_pull = endpoint.can_resolve = endpoint.can_push = false;
  for (const auto& name : names) {
    if (name != "pull" && name != "resolve" && name != "push") {
      return Bad("'capabilities': '" + name + "' is none of pull, resolve, push");
    }
    endpoint.can_pull = endpoint.can_pull || name == "pull";
    endpoint.can_resolve = endpoint.can_resolve || name == "resolve";
    endpoint.can_push = endpoint.can_push || name == "push";
  }
  return Ok();
}

// `client`: a file with both, or a list that holds [certificate, key].
Status ReadClient(const toml::table& table, const fs::path& directory, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "client");
  if (value == nullptr) return Ok();
  const toml::value* pair = value;
  if (value->is_array() && value->as_array().size() == 1 && value->as_array()[0].is_array()) {
    pair = &value->as_array()[0];
  }
  LOCKET_TRY_ASSIGN(const auto names, Texts(*pair, "client"));
  if (names.empty() || names.size() > 2) return Bad("'client' is not one certificate and its key");
  endpoint.client_certificate = directory / names.front();
  // Containerd's way of saying that the first file holds both: no name, or an empty one.
  endpoint.client_key = directory / (names.back().empty() ? names.front() : names.back());
  return Ok();
}

Status ReadHeaders(const toml::table& table, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "header");
  if (value == nullptr) return Ok();
  if (!value->is_table()) return Bad("'header' is not a table");
  for (const auto& [name, content] : value->as_table()) {
    LOCKET_TRY_ASSIGN(const auto texts, Texts(content, "header"));
    for (const auto& text : texts) {
      if (name.find_first_of(":\r\n") != std::string::npos ||
          text.find_first_of("\r\n") != std::string::npos) {
        return Bad("'header': '" + name + "' is malformed");
      }
      endpoint.headers[name] = text;
    }
  }
  return Ok();
}

Result<bool> ReadBool(const toml::table& table, const char* name) {
  const toml::value* value = FindValue(table, name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return bool{value->as_boolean()};
  return Bad(std::string("'") + name + "' is not true or false");
}

Result<std::string> BaseUrl(std::string_view text, bool override_path) {
  std::string url(text);
  if (url.find("://") == std::string::npos) url.insert(0, "https://");
  while (url.ends_with('/')) url.pop_back();
  LOCKET_TRY(ParseUrl(url));
  if (!override_path && !url.ends_with("/v2")) url += "/v2";
  return url;
}

// What the top of the file and each [host."..."] table have in common.
Result<Endpoint> ReadEndpoint(const toml::table& table, std::string_view url,
                              const fs::path& directory) {
  LOCKET_TRY_ASSIGN(const bool override_path, ReadBool(table, "override_path"));
  Endpoint endpoint{.base_url = {}};
  LOCKET_TRY_ASSIGN(endpoint.base_url, BaseUrl(url, override_path));
  LOCKET_TRY_ASSIGN(endpoint.skip_verify, ReadBool(table, "skip_verify"));
  LOCKET_TRY(ReadCapabilities(table, endpoint));
  if (const toml::value* value = FindValue(table, "ca"); value != nullptr) {
    LOCKET_TRY_ASSIGN(const auto names, Texts(*value, "ca"));
    for (const auto& name : names) endpoint.ca_files.push_back(directory / name);
  }
  LOCKET_TRY(ReadClient(table, directory, endpoint));
  LOCKET_TRY(ReadHeaders(table, endpoint));
  return endpoint;
}

// The mirrors, in the order they stand in the file: toml11's tables are hash maps, but each value
// knows its line.
Result<std::vector<Endpoint>> ReadMirrors(const toml::table& document, const fs::path& directory) {
  std::vector<Endpoint> mirrors;
  const toml::value* hosts = FindValue(document, "host");
  if (hosts == nullptr) return mirrors;
  if (!hosts->is_table()) return Bad("'host' is not a table");
  std::vector<std::pair<std::string, const toml::value*>> ordered;
  for (const auto& [url, value] : hosts->as_table()) {
    if (!value.is_table()) return Bad("'host." + url + "' is not a table");
    ordered.emplace_back(url, &value);
  }
  std::ranges::sort(ordered, {}, [](const auto& entry) { return entry.second->location().line(); });
  for (const auto& [url, value] : ordered) {
    auto mirror = ReadEndpoint(value->as_table(), url, directory);
    if (!mirror.ok()) return std::move(mirror).error().While("host '" + url + "'");
    mirror->is_mirror = true;
    mirrors.push_back(std::move(*mirror));
  }
  return mirrors;
}

// Docker's way: certificates in a directory, no hosts.toml.
Endpoint EndpointWithCertificates(const fs::path& directory, std::string_view host) {
  Endpoint endpoint = DefaultEndpoint(host);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().extension() == ".crt") endpoint.ca_files.push_back(entry.path());
    if (entry.path().extension() == ".cert") endpoint.client_certificate = entry.path();
    if (entry.path().extension() == ".key") endpoint.client_key = entry.path();
  }
  std::ranges::sort(endpoint.ca_files);
  return endpoint;
}

std::vector<std::string> DirectoryNames(std::string_view host) {
  std::vector<std::string> names;
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    names.push_back(std::string(host.substr(0, colon)) + "_" + std::string(host.substr(colon + 1)) +
                    "_");
  }
  names.emplace_back(host);
  names.emplace_back("_default");
  return names;
}

}  // namespace

bool IsLoopbackHost(std::string_view host) {
  if (host == "::1" || host == "[::1]" || host.starts_with("[::1]:")) return true;
  const auto name = host.substr(0, host.find(':'));
  // Not "127.example.org".
  const bool address = name.find_first_not_of("0123456789.") == std::string_view::npos;
  return name == "localhost" || (address && name.starts_with("127."));
}

Endpoint DefaultEndpoint(std::string_view host) {
  const std::string server(host == "docker.io" ? "registry-1.docker.io" : host);
  const bool plain = IsLoopbackHost(host) && !host.ends_with(":443");
  return {.base_url = (plain ? "http://" : "https://") + server + "/v2"};
}

Result<std::vector<Endpoint>> ParseHostsToml(std::string_view text, std::string_view host,
                                             const fs::path& directory) {
  LOCKET_TRY_ASSIGN(const toml::value document, ParseToml(text));
  const toml::table& table = document.as_table();
  LOCKET_TRY_ASSIGN(auto endpoints, ReadMirrors(table, directory));
  std::string url = DefaultEndpoint(host).base_url;
  if (const toml::value* value = FindValue(table, "server"); value != nullptr) {
    if (!value->is_string()) return Bad("'server' is not text");
    url = value->as_string().str;
  }
  LOCKET_TRY_ASSIGN(Endpoint server, ReadEndpoint(table, url, directory));
  endpoints.push_back(std::move(server));
  return endpoints;
}

Result<std::vector<Endpoint>> EndpointsFor(const fs::path& directory, std::string_view host) {
  for (const auto& name : DirectoryNames(host)) {
    const fs::path place = directory / name;
    std::error_code ignored;
    if (!fs::is_directory(place, ignored)) continue;
    const auto text = ReadFile(place / "hosts.toml", kMaxFileBytes);
    if (text.ok()) {
      return ParseHostsToml(*text, host, place).While("'" + (place / "hosts.toml").string() + "'");
    }
    if (text.error().code() != ErrorCode::kNotFound) return text.error();
    return std::vector<Endpoint>{EndpointWithCertificates(place, host)};
  }
  return std::vector<Endpoint>{DefaultEndpoint(host)};
}

}  // namespace locket::registry
