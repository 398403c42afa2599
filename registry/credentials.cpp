#include "registry/credentials.h"

#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"
#include "base/json.h"
#include "registry/credential_helper.h"

namespace locket::registry {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = 1U << 20;
constexpr size_t kMaxFiles = 1024;
constexpr std::string_view kDockerHub = "docker.io";

// "https://index.docker.io/v1/" and "docker.io" are one. Behind a scheme docker and podman look at
// the host alone; without one podman's keys go down to a repository.
std::string NormalizeKey(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!key.starts_with(scheme)) continue;
    key.remove_prefix(scheme.size());
    key = key.substr(0, key.find('/'));
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

// Base64 as people and their tools leave it in files: with line ends, or without its padding.
Result<std::vector<std::byte>> DecodeAuth(std::string auth) {
  std::erase_if(auth, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
  while (auth.size() % 4 != 0 && !auth.ends_with("==")) auth += '=';
  auto decoded = Base64Decode(auth);
  ::explicit_bzero(auth.data(), auth.size());
  return decoded;
}

using Entries = std::map<std::string, Result<Credentials>, std::less<>>;

// An entry without anything in it belongs to a credential helper or to nobody, and is passed over.
void AddEntry(const std::string& key, const json& value, Entries& entries) {
  const std::string normalized = NormalizeKey(key);
  if (value.is_null()) return;
  if (!value.is_object()) {
    entries.try_emplace(normalized, Bad(key, "not an object"));
    return;
  }
  std::string username = TextOf(value, "username");
  std::string password = TextOf(value, "password");
  std::string token = TextOf(value, "identitytoken");
  if (const std::string auth = TextOf(value, "auth"); !auth.empty()) {
    const auto decoded = DecodeAuth(auth);
    auto pair = decoded.ok() ? AsText(*decoded) : std::string_view();
    const size_t colon = pair.find(':');
    if (colon == std::string_view::npos && token.empty()) {
      entries.try_emplace(normalized, Bad(key, "'auth' is not base64 of user:password"));
      return;
    }
    // Old versions of docker filled up with NULs.
    while (pair.ends_with('\0')) pair.remove_suffix(1);
    username = pair.substr(0, std::min(colon, pair.size()));
    password = pair.substr(std::min(colon, pair.size() - 1) + 1);
  }
  if (!token.empty()) {
    username = "<token>";
    password = std::move(token);
  }
  if (!username.empty()) {
    entries.try_emplace(normalized,
                        Credentials{.username = username, .password = ToSecret(password)});
  }
  ::explicit_bzero(password.data(), password.size());
}

// A key that is written as we look for it goes before one that has to be understood.
void AddEntries(const json& auths, Entries& entries) {
  for (const bool exact : {true, false}) {
    for (const auto& [key, value] : auths.items()) {
      if ((NormalizeKey(key) == key) == exact) AddEntry(key, value, entries);
    }
  }
}

// Named by docker where it keeps the Hub's login, and by podman where it does.
std::vector<std::string> ServersFor(const std::string& host) {
  if (host == kDockerHub) return {"https://index.docker.io/v1/", host};
  return {host};
}

Credentials Copy(const Credentials& from) {
  return {.username = from.username, .password = ToSecret(AsText(from.password.Reveal()))};
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody calls setenv
  return value == nullptr ? "" : value;
}

// Null: it is not there.
const json* ObjectOf(const json& document, const char* name) {
  const auto found = document.find(name);
  return found == document.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

Status CredentialStore::Add(std::string_view text, const std::string& name) {
  if (text.size() > kMaxFileBytes) {
    return Error(ErrorCode::kResourceExhausted, "larger than 1 MiB");
  }
  LOCKET_TRY_ASSIGN(const json document, ParseJsonObject(text, {.max_bytes = kMaxFileBytes}));
  File file{.name = name};
  if (const json* auths = ObjectOf(document, "auths"); auths != nullptr) {
    if (!auths->is_object()) return Error(ErrorCode::kInvalidArgument, "'auths' is not an object");
    AddEntries(*auths, file.entries);
  }
  if (const json* helpers = ObjectOf(document, "credHelpers"); helpers != nullptr) {
    if (!helpers->is_object()) {
      return Error(ErrorCode::kInvalidArgument, "'credHelpers' is not an object");
    }
    for (const auto& [key, value] : helpers->items()) {
      if (!value.is_string()) {
        file.entries.erase(NormalizeKey(key));
        file.entries.emplace(NormalizeKey(key), Error(ErrorCode::kInvalidArgument,
                                                      "credHelpers of '" + key + "': not text"));
        continue;
      }
      // An empty name is docker's way of saying: the file itself.
      const auto& helper = value.get_ref<const std::string&>();
      if (!helper.empty()) file.helpers.try_emplace(NormalizeKey(key), helper);
    }
  }
  file.store = TextOf(document, "credsStore");
  files_.push_back(std::move(file));
  return Ok();
}

CredentialStore CredentialStore::Load(const std::vector<fs::path>& files, CredentialHelper helper) {
  CredentialStore store(std::move(helper));
  for (const auto& path : files) {
    const auto text = ReadFile(path, kMaxFileBytes);
    if (!text.ok() && text.error().code() == ErrorCode::kNotFound) continue;
    auto added = text.ok() ? store.Add(*text, path.string()).While("'" + path.string() + "'")
                           : Status(text.error());
    if (added.ok()) continue;
    store.files_.push_back(
        {.name = path.string(), .error = std::move(added).error().While("read credentials")});
  }
  return store;
}

Status CredentialStore::Check() const {
  for (const auto& file : files_) {
    if (file.error) return *file.error;
  }
  return Ok();
}

Result<std::optional<Credentials>> CredentialStore::Ask(const File& file, const std::string& helper,
                                                        const std::string& host) const {
  for (const auto& server : ServersFor(host)) {
    auto found = helper_ ? helper_(helper, server) : AskCredentialHelper(helper, server);
    if (!found.ok()) {
      return Error(found.error().code(), found.error().message() + " (named by '" + file.name +
                                             "': mend the helper, or take it out there)");
    }
    if (*found) return found;
  }
  return std::optional<Credentials>();
}

Result<std::optional<Credentials>> CredentialStore::FindIn(const File& file,
                                                           const std::string& host,
                                                           std::string_view repository) const {
  if (file.error) return *file.error;
  const auto helper = file.helpers.find(host);
  if (helper != file.helpers.end()) {
    LOCKET_TRY_ASSIGN(auto found, Ask(file, helper->second, host));
    if (found) return found;
  }
  std::string key = host + "/" + std::string(repository);
  while (true) {
    const auto found = file.entries.find(key);
    if (found != file.entries.end()) {
      if (found->second.ok()) return std::optional(Copy(*found->second));
      return Error(found->second.error()).While("credentials of '" + file.name + "'");
    }
    const size_t slash = key.rfind('/');
    if (slash == std::string::npos) break;
    key.resize(slash);
  }
  const bool asked = helper != file.helpers.end() && helper->second == file.store;
  if (file.store.empty() || asked) return std::optional<Credentials>();
  return Ask(file, file.store, host);
}

Result<std::optional<Credentials>> CredentialStore::Find(std::string_view host,
                                                         std::string_view repository) const {
  const std::string key = NormalizeKey(host);
  for (const auto& file : files_) {
    LOCKET_TRY_ASSIGN(auto found, FindIn(file, key, repository));
    if (found) return found;
  }
  return std::optional<Credentials>();
}

std::vector<fs::path> DefaultCredentialFiles() {
  if (const auto file = Environment("REGISTRY_AUTH_FILE"); !file.empty()) return {file};
  std::vector<fs::path> files;
  const std::string run = Environment("XDG_RUNTIME_DIR");
  files.push_back((run.empty() ? fs::path("/run/containers") / std::to_string(::getuid())
                               : fs::path(run) / "containers") /
                  "auth.json");
  const std::string home = Environment("HOME");
  // `variable`, or where it points when it is not set.
  const auto add = [&](const char* variable, const char* in_home, const char* name) {
    const std::string directory = Environment(variable);
    if (!directory.empty()) {
      files.push_back(fs::path(directory) / name);
    } else if (!home.empty()) {
      files.push_back(fs::path(home) / in_home / name);
    }
  };
  add("XDG_CONFIG_HOME", ".config", "containers/auth.json");
  add("DOCKER_CONFIG", ".docker", "config.json");
  return files;
}

Result<std::vector<fs::path>> CredentialFilesIn(const fs::path& directory) {
  std::error_code failed;
  fs::directory_iterator entries(directory, failed);
  if (failed) {
    return Error::FromErrno(failed.value(), "read credentials in '" + directory.string() + "'");
  }
  std::vector<fs::path> files;
  for (const fs::directory_iterator end; entries != end && !failed; entries.increment(failed)) {
    if (entries->path().extension() == ".json") files.push_back(entries->path());
    if (files.size() > kMaxFiles) {
      return Error(ErrorCode::kResourceExhausted,
                   "read credentials in '" + directory.string() + "': more than 1024 files");
    }
  }
  if (failed) {
    return Error::FromErrno(failed.value(), "read credentials in '" + directory.string() + "'");
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace locket::registry
