#include "registry/hosts.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
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
constexpr double kMaxTimeoutMs = 3.6e6;

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

// None, or an empty list, means all of them.
Status ReadCapabilities(const toml::table& table, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "capabilities");
  if (value == nullptr) return Ok();
  LOCKET_TRY_ASSIGN(const auto names, Texts(*value, "capabilities"));
  if (names.empty()) return Ok();
  endpoint.can_pull = endpoint.can_resolve = endpoint.can_push = false;
  for (std::string name : names) {
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name != "pull" && name != "resolve" && name != "push" && name != "referrers") {
      return Bad("'capabilities': '" + name + "' is none of pull, resolve, push, referrers");
    }
    endpoint.can_pull = endpoint.can_pull || name == "pull";
    endpoint.can_resolve = endpoint.can_resolve || name == "resolve";
    endpoint.can_push = endpoint.can_push || name == "push";
  }
  return Ok();
}

// `client`: a file that holds certificate and key, or a list whose items are such files or pairs
// of a certificate and its key.
Status ReadClient(const toml::table& table, const fs::path& directory, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "client");
  if (value == nullptr) return Ok();
  const auto add = [&](const std::vector<std::string>& names) {
    const std::string& key = names.back().empty() ? names.front() : names.back();
    endpoint.tls.client_pairs.push_back(
        {.certificate = directory / names.front(), .key = directory / key});
  };
  if (value->is_string()) {
    add({value->as_string().str});
    return Ok();
  }
  if (!value->is_array()) return Bad("'client' is neither text nor a list");
  for (const auto& item : value->as_array()) {
    LOCKET_TRY_ASSIGN(const auto names, Texts(item, "client"));
    const bool pair = names.size() == (item.is_array() ? 2 : 1);
    if (!pair) return Bad("'client': a list in it is not a certificate and its key");
    add(names);
  }
  return Ok();
}

Status ReadHeaders(const toml::table& table, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "header");
  if (value == nullptr) return Ok();
  if (!value->is_table()) return Bad("'header' is not a table");
  for (const auto& [name, content] : value->as_table()) {
    LOCKET_TRY_ASSIGN(const auto texts, Texts(content, "header"));
    for (const auto& text : texts) {
      if (name.empty() || name.find_first_of(": \r\n") != std::string::npos ||
          text.find_first_of("\r\n") != std::string::npos) {
        return Bad("'header': '" + name + "' is malformed");
      }
      endpoint.headers.emplace_back(name, text);
    }
  }
  std::ranges::sort(endpoint.headers);  // toml11's tables have no order
  return Ok();
}

// "2s", "1m30s", "1.5s", "300ms", as Go writes durations.
std::optional<std::chrono::milliseconds> ParseGoDuration(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ms", 1},  {"us", 1e-3}, {"ns", 1e-6},
                                                            {"s", 1e3}, {"m", 6e4},   {"h", 3.6e6}};
  double total = 0;
  if (text.empty()) return {};
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || !(number >= 0)) return {};
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const auto unit = std::ranges::find_if(
        kUnits, [&](const auto& candidate) { return text.starts_with(candidate.first); });
    if (unit == std::end(kUnits)) return {};
    text.remove_prefix(unit->first.size());
    total += number * unit->second;
  }
  if (!(total <= kMaxTimeoutMs)) return {};
  return std::chrono::milliseconds(static_cast<int64_t>(total));
}

Status ReadDialTimeout(const toml::table& table, Endpoint& endpoint) {
  const toml::value* value = FindValue(table, "dial_timeout");
  if (value == nullptr) return Ok();
  if (!value->is_string()) return Bad("'dial_timeout' is not text");
  const std::string& text = value->as_string().str;
  const auto timeout = ParseGoDuration(text);
  if (!timeout) return Bad("'dial_timeout': '" + text + "' is not a duration like 3s");
  endpoint.connect_timeout = *timeout;
  return Ok();
}

Result<bool> ReadBool(const toml::table& table, const char* name) {
  const toml::value* value = FindValue(table, name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return bool{value->as_boolean()};
  return Bad(std::string("'") + name + "' is not true or false");
}

// Where the API begins, of what a person wrote as a host.
std::string BaseUrl(std::string_view text, bool override_path) {
  std::string url(text.substr(0, text.find_first_of("?#")));
  if (url.find("://") == std::string::npos) url.insert(0, "https://");
  const size_t host = url.find("://") + 3;
  while (url.size() > host && url.ends_with('/')) url.pop_back();
  if (!override_path && !url.ends_with("/v2")) url += "/v2";
  return url;
}

// What the top of the file and each [host."..."] table have in common.
Result<Endpoint> ReadEndpoint(const toml::table& table, std::string_view url,
                              const fs::path& directory) {
  LOCKET_TRY_ASSIGN(const bool override_path, ReadBool(table, "override_path"));
  Endpoint endpoint{.base_url = BaseUrl(url, override_path)};
  if (auto base = ParseUrl(endpoint.base_url); !base.ok()) {
    endpoint.problem = "'" + std::string(url.substr(0, 256)) +
                       "' in hosts.toml cannot be asked: " + base.error().message();
  }
  LOCKET_TRY_ASSIGN(endpoint.tls.skip_verify, ReadBool(table, "skip_verify"));
  LOCKET_TRY(ReadCapabilities(table, endpoint));
  if (const toml::value* value = FindValue(table, "ca"); value != nullptr) {
    LOCKET_TRY_ASSIGN(const auto names, Texts(*value, "ca"));
    for (const auto& name : names) endpoint.tls.ca_files.push_back(directory / name);
  }
  LOCKET_TRY(ReadClient(table, directory, endpoint));
  LOCKET_TRY(ReadHeaders(table, endpoint));
  LOCKET_TRY(ReadDialTimeout(table, endpoint));
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
    const fs::path& file = entry.path();
    if (file.extension() == ".crt") endpoint.tls.ca_files.push_back(file);
    if (file.extension() != ".cert") continue;
    const fs::path key = fs::path(file).replace_extension(".key");
    const bool apart = fs::exists(key, ignored);
    endpoint.tls.client_pairs.push_back({.certificate = file, .key = apart ? key : file});
  }
  std::ranges::sort(endpoint.tls.ca_files);
  std::ranges::sort(endpoint.tls.client_pairs, {}, &ClientPair::certificate);
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
  return names;
}

// What `directory`/`name` says of `host`; nothing if there is no such directory.
Result<std::optional<std::vector<Endpoint>>> ReadPlace(const fs::path& place,
                                                       std::string_view host) {
  std::error_code ignored;
  if (!fs::is_directory(place, ignored)) return std::optional<std::vector<Endpoint>>();
  const auto text = ReadFile(place / "hosts.toml", kMaxFileBytes);
  if (!text.ok() && text.error().code() != ErrorCode::kNotFound) return text.error();
  if (!text.ok() || text->empty()) {
    return std::optional(std::vector<Endpoint>{EndpointWithCertificates(place, host)});
  }
  LOCKET_TRY_ASSIGN(
      auto endpoints,
      ParseHostsToml(*text, host, place).While("'" + (place / "hosts.toml").string() + "'"));
  return std::optional(std::move(endpoints));
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
  const bool hub = host == "docker.io" || host == "index.docker.io";
  const std::string server(hub ? "registry-1.docker.io" : host);
  const bool plain = IsLoopbackHost(host) && !host.ends_with(":443");
  return {.base_url = (plain ? "http://" : "https://") + server + "/v2"};
}

Result<std::vector<Endpoint>> ParseHostsToml(std::string_view text, std::string_view host,
                                             const fs::path& directory) {
  LOCKET_TRY_ASSIGN(const toml::value document, ParseToml(text));
  const toml::table& table = document.as_table();
  LOCKET_TRY_ASSIGN(auto endpoints, ReadMirrors(table, directory));
  std::string url;
  if (const toml::value* value = FindValue(table, "server"); value != nullptr) {
    if (!value->is_string()) return Bad("'server' is not text");
    url = value->as_string().str;
  }
  if (url.empty()) url = DefaultEndpoint(host).base_url;
  LOCKET_TRY_ASSIGN(Endpoint server, ReadEndpoint(table, url, directory));
  endpoints.push_back(std::move(server));
  return endpoints;
}

bool IsProxyFor(const Url& base, std::string_view host) {
  const auto own = ParseUrl(DefaultEndpoint(host).base_url);
  return !own.ok() || HostPort(*own) != HostPort(base);
}

Result<std::vector<Endpoint>> EndpointsFor(const fs::path& directory, std::string_view host) {
  for (const auto& name : DirectoryNames(host)) {
    LOCKET_TRY_ASSIGN(auto own, ReadPlace(directory / name, host));
    if (own) return std::move(*own);
  }
  LOCKET_TRY_ASSIGN(auto common, ReadPlace(directory / "_default", host));
  if (!common) return std::vector<Endpoint>{DefaultEndpoint(host)};
  // A server that all registries have in common is none of them.
  const auto base = ParseUrl(common->back().base_url);
  common->back().is_mirror = base.ok() && IsProxyFor(*base, host);
  return std::move(*common);
}

Result<TlsSettings> TlsFor(const fs::path& directory, const Url& url) {
  const std::string host = HostPort(url);
  for (const auto& name : DirectoryNames(host)) {
    LOCKET_TRY_ASSIGN(const auto endpoints, ReadPlace(directory / name, host));
    if (!endpoints) continue;
    for (const auto& endpoint : *endpoints) {
      const auto base = ParseUrl(endpoint.base_url);
      if (base.ok() && HostPort(*base) == host) return endpoint.tls;
    }
    break;
  }
  return TlsSettings{};
}

}  // namespace locket::registry
