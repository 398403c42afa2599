// Image pull secrets as the kubelet hands them over with each pull.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/credentials.h"

namespace locket::snapshotter {

// The secrets that came with pulls, each for the repository of its image. They are in memory and
// nowhere else: after a restart the next pull brings them again. Thread-safe.
class PullSecrets {
 public:
  static constexpr size_t kMaxSecrets = 1024;
  static constexpr size_t kMaxSecretBytes = 64U << 10;

  // Remembers `credentials` for the repository of `reference`, in place of older ones. Beyond
  // kMaxSecrets the secret that was not used for longest is wiped and forgotten. kInvalidArgument:
  // `reference` is not an image reference. kResourceExhausted: the secret is larger than
  // kMaxSecretBytes.
  Status Remember(std::string_view reference, registry::Credentials credentials);

  // Returns the secret of a repository. Nothing: none was given for it.
  std::optional<registry::Credentials> Find(std::string_view host, std::string_view repository);

  // Returns how many secrets are remembered.
  size_t size();

 private:
  struct Entry {
    std::string repository;  // "host/repository"
    registry::Credentials credentials;
  };

  std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last comes first
};

// The fields of a CRI AuthConfig. Each may be empty.
struct PullAuth {
  std::string_view username{};
  std::string_view password{};
  std::string_view auth{};            // base64 of "username:password"
  std::string_view server_address{};  // the registry it is for; empty: any
  std::string_view identity_token{};
};

// Returns the credentials that containerd would make of `auth`. Nothing: there are none, or they
// are for another host than that of `reference`. kInvalidArgument: they have neither a name nor a
// token.
Result<std::optional<registry::Credentials>> CredentialsFrom(const PullAuth& auth,
                                                             std::string_view reference);

}  // namespace locket::snapshotter
