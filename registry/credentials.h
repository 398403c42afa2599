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
  // Earlier files win. A file that is not there is passed over. One that cannot be read or
  // understood is an error of Find for whoever gets as far as this file, and of Check. `helper`
  // (unset: AskCredentialHelper) is run only when somebody asks for a registry that a file leaves
  // to one.
  static CredentialStore Load(const std::vector<std::filesystem::path>& files,
                              CredentialHelper helper = {});

  explicit CredentialStore(CredentialHelper helper = {}) : helper_(std::move(helper)) {}

  // `json` as in one of those files, called `name` in errors; what is known already goes first.
  // kInvalidArgument: not such a file as a whole; an entry that is wrong is an error of Find alone.
  // For Load, and fuzzing.
  Status Add(std::string_view json, const std::string& name = {});

  // For `host` ("docker.io", "127.0.0.1:5000") and `repository`, from the first file that knows:
  // from the helper that its `credHelpers` names for the host, else from the longest match in
  // `auths`, else from the helper in its `credsStore`. Nothing: go without. kFailedPrecondition: a
  // helper is missing or fails. kInvalidArgument: the entry for this registry is wrong.
  Result<std::optional<Credentials>> Find(std::string_view host, std::string_view repository) const;

  // The error of the first file that cannot be read or understood as a whole.
  Status Check() const;

 private:
  struct File {
    std::string name;
    // By "host[/path]"; an error is that entry's own.
    std::map<std::string, Result<Credentials>, std::less<>> entries{};
    std::map<std::string, std::string, std::less<>> helpers{};  // by host
    std::string store{};                                        // the helper for all others
    std::optional<Error> error{};                               // of the whole
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
