#include "snapshotter/pull/pull_secrets.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "image/oci/reference.h"

namespace locket::snapshotter {

using registry::Credentials;

namespace {

// "https://host/v1/" and "host" are one.
std::string_view HostOf(std::string_view address) {
  const size_t scheme = address.find("://");
  if (scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
  const std::string_view host = address.substr(0, address.find('/'));
  return host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : host;
}

Result<Credentials> FromPair(std::string_view auth) {
  const auto decoded = Base64Decode(auth);
  const std::string_view pair = decoded.ok() ? AsText(*decoded) : std::string_view();
  const size_t colon = pair.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return Error(ErrorCode::kInvalidArgument, "'auth' is not base64 of user:password");
  }
  auto password = pair.substr(colon + 1);
  while (password.ends_with('\0')) password.remove_suffix(1);  // as containerd does
  return Credentials{.username = std::string(pair.substr(0, colon)),
                     .password = ToSecret(password)};
}

}  // namespace

Status PullSecrets::Remember(std::string_view reference, Credentials credentials) {
  LOCKET_TRY_ASSIGN(const auto image, image::ParseReference(reference));
  if (credentials.username.size() + credentials.password.Reveal().size() > kMaxSecretBytes) {
    return Error(ErrorCode::kResourceExhausted, "larger than 64 KiB");
  }
  Entry entry{.repository = image.registry + "/" + image.repository,
              .credentials = std::move(credentials)};
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](const Entry& one) { return one.repository == entry.repository; });
  entries_.push_front(std::move(entry));
  if (entries_.size() > kMaxSecrets) entries_.pop_back();
  return Ok();
}

std::optional<Credentials> PullSecrets::Find(std::string_view host, std::string_view repository) {
  const std::string wanted = std::string(host) + "/" + std::string(repository);
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(entries_, wanted, &Entry::repository);
  if (found == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found);
  return Credentials{.username = found->credentials.username,
                     .password = ToSecret(AsText(found->credentials.password.Reveal()))};
}

size_t PullSecrets::size() {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

Result<std::optional<Credentials>> CredentialsFrom(const PullAuth& auth,
                                                   std::string_view reference) {
  LOCKET_TRY_ASSIGN(const auto image, image::ParseReference(reference));
  if (!auth.server_address.empty() && HostOf(auth.server_address) != image.registry) {
    return std::optional<Credentials>();
  }
  if (!auth.username.empty()) {
    return std::optional(
        Credentials{.username = std::string(auth.username), .password = ToSecret(auth.password)});
  }
  if (!auth.identity_token.empty()) {
    return std::optional(
        Credentials{.username = "<token>", .password = ToSecret(auth.identity_token)});
  }
  if (auth.auth.empty()) return std::optional<Credentials>();
  LOCKET_TRY_ASSIGN(auto pair, FromPair(auth.auth));
  return std::optional(std::move(pair));
}

}  // namespace locket::snapshotter
