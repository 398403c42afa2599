// Who we are to a registry: docker's config.json and containers' auth.json, which share a format.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace locket::registry {

struct Credentials {
  std::string username;  // "<token>": `password` is an identity (refresh) token
  Secret password;

  bool is_identity_token() const { return username == "<token>"; }
};

// Asks the helper called `name` who we are to `server`. Nothing: it does not know.
using CredentialHelper = std::function<Result<std::optional<Credentials>>(
    const std::string& name, const std::string& server)>;

// Who we are to `host` for `repository`. Nothing: go without. Called from any thread.
using CredentialLookup = std::function<Result<std::optional<Credentials>>(
    std::string_view host, std::string_view repository)>;

// Immutable once loaded, so any thread may ask.
class CredentialStore {
 public:
  // Earlier files win. A file that is not there is passed over; one that cannot be understood is an
  // error that names it. `helper` (unset: AskCredentialHelper) is run only when somebody asks for a
  // registry that a file leaves to one.
  static Result<CredentialStore> Load(const std::vector<std::filesystem::path>& files,
                                      CredentialHelper helper = {});

  explicit CredentialStore(CredentialHelper helper = {}) : helper_(std::move(helper)) {}

  // `json` as in one of those files, called `name` in errors; what is known already goes first. For
  // Load, and fuzzing.
  Status Add(std::string_view json, const std::string& name = {});

  // For `host` ("docker.io", "127.0.0.1:5000") and `repository`, from the first file that knows:
  // from the helper that its `credHelpers` names for the host, else from the longest match in
  // `auths`, else from the helper in its `credsStore`. Nothing: go without. kFailedPrecondition: a
  // helper is missing or fails.
  Result<std::optional<Credentials>> Find(std::string_view host, std::string_view repository) const;

 private:
  struct File {
    std::string name;
    std::map<std::string, Credentials, std::less<>> entries{};  // "host[/path]"
    std::map<std::string, std::string, std::less<>> helpers{};  // by host
    std::string store{};                                        // the helper for all others
  };
  Result<std::optional<Credentials>> Ask(const File& file, const std::string& helper,
                                         const std::string& host) const;
  Result<std::optional<Credentials>> FindIn(const File& file, const std::string& host,
                                            std::string_view repository) const;

  CredentialHelper helper_;
  std::vector<File> files_{};
};

// The files that podman, skopeo and docker read for this user, in their order: $REGISTRY_AUTH_FILE
// alone if set; else $XDG_RUNTIME_DIR/containers/auth.json (/run/containers/UID/auth.json without
// it), $XDG_CONFIG_HOME/containers/auth.json (~/.config), $DOCKER_CONFIG/config.json (~/.docker).
std::vector<std::filesystem::path> DefaultCredentialFiles();

// The *.json files of `directory`, by name. kNotFound: no such directory.
Result<std::vector<std::filesystem::path>> CredentialFilesIn(
    const std::filesystem::path& directory);

}  // namespace locket::registry
