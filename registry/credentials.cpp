#include "registry/credentials.h"

#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::registry {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = 1U << 20;
constexpr std::string_view kDockerHub = "docker.io";

Secret ToSecret(std::string_view text) {
  Secret secret(text.size());
  std::ranges::copy(AsBytes(text), secret.Reveal().begin());
  return secret;
}

// "https://index.docker.io/v1/" and "docker.io" are one; schemes and closing slashes say nothing.
std::string NormalizeKey(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
  }
  for (const std::string_view version : {"/v1/", "/v2/", "/v1", "/v2", "/"}) {
    if (key.ends_with(version)) key.remove_suffix(version.size());
  }
  for (const std::string_view hub : {"index.docker.io", "registry-1.docker.io"}) {
    if (key == hub) return std::string(kDockerHub);
    if (key.starts_with(std::string(hub) + "/")) {
      return std::string(kDockerHub) + std::string(key.substr(hub.size()));
    }
  }
  return std::string(key);
}

std::string TextOf(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Error Bad(const std::string& key, const char* why) {
  return {ErrorCode::kInvalidArgument, "auths of '" + key + "': " + why};
}

// An entry without anything in it belongs to a credential helper and is passed over.
Status AddEntry(const std::string& key, const json& value,
                std::map<std::string, Credentials, std::less<>>& entries) {
  if (!value.is_object()) return Bad(key, "not an object");
  std::string username = TextOf(value, "username");
  std::string password = TextOf(value, "password");
  if (const std::string auth = TextOf(value, "auth"); !auth.empty()) {
    const auto decoded = Base64Decode(auth);
    const std::string_view pair = decoded.ok() ? AsText(*decoded) : std::string_view();
    const size_t colon = pair.find(':');
    if (colon == std::string_view::npos) return Bad(key, "'auth' is not base64 of user:password");
    username = pair.substr(0, colon);
    password = pair.substr(colon + 1);
  }
  if (std::string token = TextOf(value, "identitytoken"); !token.empty()) {
    username = "<token>";
    password = std::move(token);
  }
  if (!username.empty() && username.find_first_of("\r\n") == std::string::npos) {
    entries.try_emplace(NormalizeKey(key),
                        Credentials{.username = username, .password = ToSecret(password)});
  }
  ::explicit_bzero(password.data(), password.size());
  return Ok();
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
  return value == nullptr ? "" : value;
}

}  // namespace

Status CredentialStore::Add(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return Error(ErrorCode::kResourceExhausted, "larger than 1 MiB");
  }
  // Depth counts the two levels we look at and what others keep beside them.
  bool too_deep = false;
  const auto guard = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > 32;
    return depth <= 32;
  };
  json document;
  try {
    document = json::parse(text, guard, /*allow_exceptions=*/false);
  } catch (const json::exception&) {
    return Error(ErrorCode::kInvalidArgument, "not JSON");
  }
  if (too_deep || !document.is_object()) return Error(ErrorCode::kInvalidArgument, "not JSON");
  const auto auths = document.find("auths");
  if (auths == document.end() || auths->is_null()) return Ok();
  if (!auths->is_object()) return Error(ErrorCode::kInvalidArgument, "'auths' is not an object");
  for (const auto& [key, value] : auths->items()) LOCKET_TRY(AddEntry(key, value, entries_));
  return Ok();
}

Result<CredentialStore> CredentialStore::Load(const std::vector<fs::path>& files) {
  CredentialStore store;
  for (const auto& path : files) {
    const auto text = ReadFile(path, kMaxFileBytes);
    if (!text.ok() && text.error().code() == ErrorCode::kNotFound) continue;
    if (!text.ok()) return Error(text.error()).While("read credentials");
    LOCKET_TRY(store.Add(*text).While("read credentials '" + path.string() + "'"));
  }
  return store;
}

const Credentials* CredentialStore::Find(std::string_view host, std::string_view repository) const {
  std::string key = NormalizeKey(host) + "/" + std::string(repository);
  while (true) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) return &found->second;
    const size_t slash = key.rfind('/');
    if (slash == std::string::npos) return nullptr;
    key.resize(slash);
  }
}

std::vector<fs::path> DefaultCredentialFiles() {
  std::vector<fs::path> files;
  const std::string home = Environment("HOME");
  if (const auto file = Environment("REGISTRY_AUTH_FILE"); !file.empty()) {
    files.emplace_back(file);
  } else if (const auto run = Environment("XDG_RUNTIME_DIR"); !run.empty()) {
    files.push_back(fs::path(run) / "containers" / "auth.json");
  }
  if (const auto docker = Environment("DOCKER_CONFIG"); !docker.empty()) {
    files.push_back(fs::path(docker) / "config.json");
  } else if (!home.empty()) {
    files.push_back(fs::path(home) / ".docker" / "config.json");
  }
  return files;
}

}  // namespace locket::registry
