// Image pull secrets as the kubelet hands them over with each pull: in memory, and nowhere else.
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

// Thread-safe.
class PullSecrets {
 public:
  static constexpr size_t kMaxSecrets = 1024;
  static constexpr size_t kMaxSecretBytes = 64U << 10;

  // From now on `credentials` are ours for the repository of `reference`, instead of others.
  // Beyond kMaxSecrets the one not used for longest is wiped and forgotten. kInvalidArgument: no
  // image reference. kResourceExhausted: larger than kMaxSecretBytes.
  Status Remember(std::string_view reference, registry::Credentials credentials);

  // Nothing: none was given for this repository.
  std::optional<registry::Credentials> Find(std::string_view host, std::string_view repository);

  size_t size();

 private:
  struct Entry {
    std::string repository;  // "host/repository"
    registry::Credentials credentials;
  };

  std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last comes first
};

// What stands in a CRI AuthConfig. Fields may be empty.
struct PullAuth {
  std::string_view username{};
  std::string_view password{};
  std::string_view auth{};            // base64 of "username:password"
  std::string_view server_address{};  // whom it is for; empty: whoever is asked
  std::string_view identity_token{};
};

// As containerd understands it. Nothing: no credentials, or for another host than that of
// `reference`. kInvalidArgument: neither a name nor a token can be made of it.
Result<std::optional<registry::Credentials>> CredentialsFrom(const PullAuth& auth,
                                                             std::string_view reference);

}  // namespace locket::snapshotter
