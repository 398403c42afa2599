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
  bool from_start = false;  // this server cannot go on from the middle
};

// Goes on with `transfer` until it is whole and checked.
Status TransferBlob(Session& session, BlobTransfer& transfer);

// True if the registry says it has the blob, in the right size. An answer that cannot be believed
// is a no. Errors: 401, 403, and what is still in trouble after the retries.
Result<bool> ProbeBlob(Session& session, const image::Descriptor& blob);

// True if the registry took the blob over from `from`, another of its repositories. A mount is a
// favour: whatever is answered but 201 is a no, and only kCancelled is an error.
Result<bool> MountBlob(Session& session, const image::Descriptor& blob, const std::string& from);

// Sends the blob, whole at first, in pieces where that is refused, from where the registry is when
// a connection broke.
Status UploadBlob(Session& session, const image::Descriptor& blob, const BodySource& source);

class RegistryClient::Impl {
 public:
  explicit Impl(ClientOptions options)
      : options_(std::move(options)),
        http_({.certs_directory = options_.certs_directory,
               .ca_file = options_.ca_file,
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
  // cancelled, or `give_up()`. The error has the last endpoint's code and every endpoint's reason.
  template <typename T, typename With, typename GiveUp>
  Result<T> OverEndpoints(const Call& call, const With& with, const GiveUp& give_up) {
    LOCKET_TRY_ASSIGN(const auto sessions, SessionsFor(call));
    std::string reasons;
    for (size_t i = 0;; ++i) {
      Session session = sessions[i];
      const std::string& problem = session.scope().endpoint.problem;
      Result<T> result = problem.empty()
                             ? with(session)
                             : Result<T>(Error(ErrorCode::kFailedPrecondition, problem));
      if (result.ok()) return result;
      const ErrorCode code = result.error().code();
      reasons += (i == 0 ? "" : "; ") + Place(session) + ": " + result.error().message();
      if (i + 1 == sessions.size() || code == ErrorCode::kCancelled || give_up()) {
        return Error(code, call.doing + " of '" + call.image.ToText() + "' " + reasons);
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
  Session MakeSession(const Call& call, Endpoint endpoint, int max_attempts);
  static std::string Place(const Session& session);

  ClientOptions options_;
  HttpClient http_;
  Authorizer authorizer_;
};

}  // namespace locket::registry
