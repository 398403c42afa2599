// Inside of RegistryClient.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/client.h"
#include "registry/session.h"

namespace locket::registry {

// A blob on its way, over attempts and endpoints.
struct BlobTransfer {
  const image::Descriptor& blob;
  const BlobSink& sink;
  uint64_t done = 0;
  image::DigestHasher hasher{};
  bool sink_failed = false;
};

// Goes on with `transfer` until it is whole and checked.
Status TransferBlob(Session& session, BlobTransfer& transfer);

Result<bool> ProbeBlob(Session& session, const image::Descriptor& blob);
Status UploadBlob(Session& session, const image::Descriptor& blob, const BodySource& source);

class RegistryClient::Impl {
 public:
  explicit Impl(ClientOptions options)
      : options_(std::move(options)),
        http_({.ca_file = options_.ca_file,
               .connect_timeout = options_.connect_timeout,
               .stall_bytes_per_second = options_.stall_bytes_per_second,
               .stall_timeout = options_.stall_timeout,
               .upload_answer_timeout = options_.upload_answer_timeout}),
        authorizer_(http_, [this](std::string_view host, std::string_view repository) {
          return Credentials(host, repository);
        }) {}

  enum class Need { kResolve, kPull, kPush };

  struct Call {
    std::string doing;  // "fetch manifest"
    const image::Reference& image;
    Need need;
    const CallOptions& options;
    std::string mount_from{};
  };

  // Calls `with(session)` for one endpoint after the other until one succeeds, the call is
  // cancelled, or `give_up()`. The error is the last endpoint's, and says what was tried where.
  template <typename T, typename With, typename GiveUp>
  Result<T> OverEndpoints(const Call& call, const With& with, const GiveUp& give_up) {
    LOCKET_TRY_ASSIGN(const auto sessions, SessionsFor(call));
    for (size_t i = 0;; ++i) {
      Session session = sessions[i];
      Result<T> result = with(session);
      const bool last = i + 1 == sessions.size();
      if (result.ok() || last || result.error().code() == ErrorCode::kCancelled || give_up()) {
        return std::move(result).While(Describe(call, session));
      }
    }
  }
  template <typename T, typename With>
  Result<T> OverEndpoints(const Call& call, const With& with) {
    return OverEndpoints<T>(call, with, [] { return false; });
  }

 private:
  Result<std::optional<registry::Credentials>> Credentials(std::string_view host,
                                                           std::string_view repository) const {
    if (options_.given) {
      LOCKET_TRY_ASSIGN(auto given, options_.given(host, repository));
      if (given) return given;
    }
    return options_.credentials.Find(host, repository);
  }
  Result<std::vector<Session>> SessionsFor(const Call& call);
  static std::string Describe(const Call& call, const Session& session);

  ClientOptions options_;
  HttpClient http_;
  Authorizer authorizer_;
};

}  // namespace locket::registry
