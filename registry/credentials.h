// Who we are to a registry: docker's config.json and containers' auth.json, which share a format.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
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

// Immutable once loaded, so any thread may ask.
class CredentialStore {
 public:
  // Earlier files win. A file that is not there is passed over; one that cannot be understood is an
  // error that names it. Credential helpers are not run.
  static Result<CredentialStore> Load(const std::vector<std::filesystem::path>& files);

  CredentialStore() = default;

  // `json` as in one of those files; what is known already stays. For Load, and fuzzing.
  Status Add(std::string_view json);

  // For `host` ("docker.io", "127.0.0.1:5000") and `repository`, the longest match first, as
  // containers' auth.json has it. Null: go without. Lives as long as the store.
  const Credentials* Find(std::string_view host, std::string_view repository) const;

 private:
  std::map<std::string, Credentials, std::less<>> entries_{};
};

// The files that docker and podman read for this user: $REGISTRY_AUTH_FILE or
// $XDG_RUNTIME_DIR/containers/auth.json, then $DOCKER_CONFIG/config.json or ~/.docker/config.json.
std::vector<std::filesystem::path> DefaultCredentialFiles();

}  // namespace locket::registry
