#include "attest/kbs/kbs_client.h"

#include <algorithm>
#include <optional>

#include "attest/http/https_client.h"
#include "attest/jose/jwe.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "base/mutex.h"

namespace locket::attest {
namespace {

constexpr size_t kMaxDetail = 600;

// The broker's words end up in the guest's error, on one line and not at any length.
std::string Printable(std::string text) {
  if (text.size() > kMaxDetail) text = text.substr(0, kMaxDetail) + "...";
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
  return text;
}

// "name=value; Path=..." to "name=value".
std::optional<std::string> SessionCookie(const HttpResponse& response) {
  const auto header = response.headers.find("set-cookie");
  if (header == response.headers.end()) return std::nullopt;
  const std::string pair = header->second.substr(0, header->second.find(';'));
  if (!pair.starts_with(std::string(kKbsSessionCookie) + "=")) return std::nullopt;
  return pair;
}

struct Session {
  std::string cookie;
  std::string token;
  TeeKey key;
};

struct Refusal {
  Error error;
  bool session_ended;
};

Refusal RefusalOf(const HttpResponse& response) {
  const auto problem = DecodeProblem(response.body);
  const std::string status = std::to_string(response.status);
  if (!problem.ok()) {
    return {.error = Error(response.status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInternal,
                           "it answered " + status + " without saying why"),
            .session_ended = false};
  }
  const std::string why = Printable(problem->detail + " (" + problem->name + ")");
  ErrorCode code = ErrorCode::kPermissionDenied;
  if (problem->name == kInvalidRequest || response.status == 404 || response.status == 413) {
    code = ErrorCode::kInvalidArgument;
  }
  // Whichever status a broker gives it.
  if (problem->name == kResourceNotFound) code = ErrorCode::kNotFound;
  if (response.status == 503) code = ErrorCode::kUnavailable;
  if (response.status == 500) code = ErrorCode::kInternal;
  return {.error = Error(code, "refused: " + why),
          .session_ended = MeansSessionEnded(problem->name)};
}

}  // namespace

struct KbsClient::Impl {
  Impl(HttpsClient http_client, EvidenceSource& source, KbsClientOptions client_options)
      : http(std::move(http_client)), evidence(source), options(std::move(client_options)) {}

  Result<HttpResponse> Post(const std::string& path, const std::string& body,
                            const std::string& cookie) const {
    HttpRequest request{.method = "POST",
                        .path = path,
                        .headers = {{"Content-Type", "application/json"}},
                        .body = AsBytes(body)};
    if (!cookie.empty()) request.headers.emplace_back("Cookie", cookie);
    LOCKET_TRY_ASSIGN(auto response, http.Exchange(request));
    if (response.status == 200) return response;
    return RefusalOf(response).error.While("broker '" + options.url + "'");
  }

  // Request, challenge, attestation, response.
  Result<Session> Attest() const {
    const AuthRequest auth{
        .tee = std::string(evidence.tee()),
        .hashes = {HashAlgorithm::kSha384, HashAlgorithm::kSha512, HashAlgorithm::kSha256}};
    LOCKET_TRY_ASSIGN(const auto challenged, Post("/kbs/v0/auth", EncodeAuthRequest(auth), ""));
    const auto cookie = SessionCookie(challenged);
    if (!cookie) {
      return Error(ErrorCode::kInternal,
                   "broker '" + options.url + "': its challenge has no session cookie");
    }
    LOCKET_TRY_ASSIGN(const auto challenge, DecodeChallenge(challenged.body).While("challenge"));
    LOCKET_TRY_ASSIGN(auto key, TeeKey::Generate());
    AttestRequest attest{.nonce = challenge.nonce,
                         .tee_pubkey = key.PublicJwk(),
                         .additional_evidence = {},
                         .evidence = {}};
    LOCKET_TRY_ASSIGN(const auto report_data,
                      ReportDataFor(challenge.hash, attest.nonce, attest.tee_pubkey, ""));
    LOCKET_TRY_ASSIGN(attest.evidence, evidence.GetEvidence(report_data).While("obtain evidence"));
    if (!options.initdata_toml.empty()) attest.initdata = options.initdata_toml;
    LOCKET_TRY_ASSIGN(const auto answer,
                      Post("/kbs/v0/attest", EncodeAttestRequest(attest), *cookie));
    LOCKET_TRY_ASSIGN(auto token, DecodeAttestAnswer(answer.body).While("attestation answer"));
    return Session{.cookie = *cookie, .token = std::move(token), .key = std::move(key)};
  }

  Result<HttpResponse> Fetch(const ResourceName& path) const {
    return http.Exchange(
        {.method = "GET",
         .path = "/kbs/v0/resource/" + path.ToPath(),
         .headers = {{"Cookie", session->cookie}, {"Authorization", "Bearer " + session->token}}});
  }

  Result<Secret> Get(const ResourceName& path) {
    for (bool reused = session.has_value();; reused = false) {
      if (!session) {
        LOCKET_TRY_ASSIGN(auto fresh, Attest());
        session.emplace(std::move(fresh));
      }
      LOCKET_TRY_ASSIGN(const auto response, Fetch(path));
      if (response.status == 200) return session->key.Decrypt(response.body);
      auto refusal = RefusalOf(response);
      if (refusal.session_ended) session.reset();
      // Only a session from an earlier call may have ended by age.
      if (!refusal.session_ended || !reused) {
        return std::move(refusal.error).While("broker '" + options.url + "'");
      }
    }
  }

  HttpsClient http;
  EvidenceSource& evidence;
  KbsClientOptions options;
  Mutex mutex;
  std::optional<Session> session LOCKET_GUARDED_BY(mutex);
};

KbsClient::KbsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KbsClient::~KbsClient() = default;

Result<std::unique_ptr<KbsClient>> KbsClient::Create(KbsClientOptions options,
                                                     EvidenceSource& evidence) {
  LOCKET_TRY_ASSIGN(auto http, HttpsClient::Create({.url = options.url,
                                                    .ca_pem = options.ca_pem,
                                                    .dial = options.dial,
                                                    .timeout = options.timeout,
                                                    .times = CertificateTimes::kIgnore}));
  auto impl = std::make_unique<Impl>(std::move(http), evidence, std::move(options));
  return std::unique_ptr<KbsClient>(new KbsClient(std::move(impl)));
}

Result<Secret> KbsClient::FetchSecret(const ResourceName& name) {
  const MutexLock lock(impl_->mutex);
  return impl_->Get(name).While("resource '" + name.ToUri() + "'");
}

}  // namespace locket::attest
