#include "key-broker/broker.h"

#include <algorithm>

#include "attest/common/json.h"
#include "attest/evidence/claims_json.h"
#include "attest/jose/jwe.h"
#include "attest/kbs/admin_token.h"
#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "base/log.h"
#include "initdata/initdata.h"
#include "key-broker/admin_routes.h"
#include "key-broker/connections.h"
#include "key-broker/problems.h"

namespace locket::key_broker {
namespace {

using attest::Problem;

constexpr std::string_view kPrefix = "/kbs/v0/";
constexpr size_t kNonceBytes = 32;
constexpr size_t kMaxAuthBytes = 4096;  // a version, a TEE's name, a few names of hashes

std::optional<std::string> BearerOf(const Request& request) {
  constexpr std::string_view kBearer = "Bearer ";
  if (!request.authorization.starts_with(kBearer)) return std::nullopt;
  return request.authorization.substr(kBearer.size());
}

// The session's id among the cookies: "a=b; kbs-session-id=<hex>".
std::optional<std::string> SessionIdOf(const Request& request) {
  const std::string name = std::string(attest::kKbsSessionCookie) + "=";
  std::string_view rest = request.cookie;
  while (!rest.empty()) {
    const size_t end = rest.find(';');
    std::string_view pair = rest.substr(0, end);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(name)) return std::string(pair.substr(name.size()));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> DetailsOf(const attest::Claims& guest) {
  return {{"tee", std::string(attest::TeeKindName(guest.tee))},
          {"measurement", HexEncode(guest.measurement)},
          {"host_data", HexEncode(guest.host_data)}};
}

// The guest's first choice that is long enough for anybody; sha384 if it names none.
attest::HashAlgorithm ChooseHash(const attest::AuthRequest& request) {
  const auto& offered = request.hashes;
  const auto preferred = attest::HashAlgorithm::kSha384;
  if (offered.empty() || std::find(offered.begin(), offered.end(), preferred) != offered.end()) {
    return preferred;
  }
  return offered.front();
}

// What the guest says it was launched with has to be what it was launched with.
Status CheckInitdata(const std::string& toml, const attest::HostData& host_data) {
  LOCKET_TRY_ASSIGN(const auto initdata, initdata::DecodeInitdata(toml).While("initdata"));
  const auto expected = initdata::HostDataFor(initdata.algorithm, toml);
  if (expected == host_data) return Ok();
  return Error(ErrorCode::kPermissionDenied, "host_data " + HexEncode(host_data) +
                                                 " is not the digest of the initdata sent, " +
                                                 HexEncode(expected));
}

// The evidence was made for this session and by the holder of the key that resources are encrypted
// for.
Status CheckBinding(const attest::VerifiedEvidence& verified, const attest::Challenge& challenge,
                    const attest::AttestRequest& attest) {
  LOCKET_TRY_ASSIGN(const auto expected,
                    attest::ReportDataFor(challenge.hash, attest.nonce, attest.tee_pubkey,
                                          attest.additional_evidence));
  if (verified.report_data != expected) {
    return Error(ErrorCode::kPermissionDenied,
                 "report_data does not bind this session's nonce and the guest's key");
  }
  if (attest.initdata) LOCKET_TRY(CheckInitdata(*attest.initdata, verified.claims.host_data));
  return Ok();
}

}  // namespace

struct Broker::Guest {
  attest::Claims claims;
  std::string tee_pubkey;  // JWK
};

Broker::Broker(BrokerOptions options, Store& store, AuditLog& audit, const Clock& clock,
               attest::SigningKey signing_key, attest::VerificationKey verification_key)
    : options_(std::move(options)),
      store_(store),
      audit_(audit),
      clock_(clock),
      signing_key_(std::move(signing_key)),
      verification_key_(std::move(verification_key)),
      sessions_(options_.sessions, clock),
      refusals_(options_.refusals_per_minute, clock) {}

Result<std::unique_ptr<Broker>> Broker::Create(BrokerOptions options, Store& store, AuditLog& audit,
                                               const Clock& clock) {
  if (options.admin_public_pem) {
    LOCKET_TRY_ASSIGN(
        const auto key,
        attest::VerificationKey::FromPem(*options.admin_public_pem).While("admin public key"));
    if (!key.is_ed25519()) {
      return Error(ErrorCode::kInvalidArgument, "admin public key: it is not an Ed25519 key");
    }
  }
  LOCKET_TRY_ASSIGN(auto signing_key, attest::SigningKey::Generate());
  LOCKET_TRY_ASSIGN(auto verification_key,
                    attest::VerificationKey::FromPem(signing_key.PublicPem()));
  return std::unique_ptr<Broker>(new Broker(std::move(options), store, audit, clock,
                                            std::move(signing_key), std::move(verification_key)));
}

Response Broker::Handle(const Request& request) {
  Response response = Route(request);
  log::Debug("answered", {{"method", request.method},
                          {"path", request.path},
                          {"status", response.status},
                          {"peer", request.peer}});
  return response;
}

Response Broker::Route(const Request& request) {
  if (!request.path.starts_with(kPrefix)) return NoSuchPath(request.path);
  const std::string path = request.path.substr(kPrefix.size());
  if (request.method == "POST" && path == "auth") return Auth(request);
  if (request.method == "POST" && path == "attest") return Attest(request);
  if (request.method == "GET" && path.starts_with("resource/")) {
    return GetResource(request, path.substr(std::string_view("resource/").size()));
  }
  return Administer(request);
}

Admission Broker::Admit(const Request& head, size_t max_body_bytes) {
  if (head.path == std::string(kPrefix) + "auth" && head.method == "POST") {
    return {.max_body_bytes = std::min(kMaxAuthBytes, max_body_bytes)};
  }
  const bool attests = head.path == std::string(kPrefix) + "attest" && head.method == "POST";
  if (attests || (IsAdministration(head) && CheckAdmin(head).ok())) {
    return {.max_body_bytes = max_body_bytes};
  }
  if (head.method == "GET") return {};
  return {.refusal = Handle(head)};
}

// A refusal releases nothing, so it is answered whether or not it could be written down.
void Broker::NoteRefusal(AuditEntry entry, const Error& why) {
  const auto omitted = refusals_.Take(Connections::PeerKey(entry.peer));
  if (!omitted) return;
  if (*omitted > 0) entry.details.emplace_back("omitted_before", std::to_string(*omitted));
  entry.reason = why.message();
  log::Info("refused", {{"action", entry.action}, {"peer", entry.peer}, log::Field(why)});
  const auto written = audit_.Record(entry);
  if (!written.ok()) log::Error("a refusal is not in the audit log", {log::Field(written.error())});
}

Response Broker::Auth(const Request& request) {
  const auto auth = attest::DecodeAuthRequest(AsText(request.body.Reveal()));
  if (!auth.ok()) return Refuse(attest::kInvalidRequest, auth.error());
  if (VerifierOf(auth->tee) == nullptr) {
    return Refuse(attest::kAttestationError,
                  Error(ErrorCode::kPermissionDenied, "TEE '" + Shortened(auth->tee) +
                                                          "' is not supported by this broker; " +
                                                          KnownTees()));
  }
  std::array<std::byte, kNonceBytes> nonce{};
  attest::FillRandom(nonce);
  const attest::Challenge challenge{.nonce = Base64Encode(nonce), .hash = ChooseHash(*auth)};
  const std::string session = sessions_.Begin({.challenge = challenge, .tee = auth->tee});
  return {.body = attest::EncodeChallenge(challenge),
          .set_cookie = std::string(attest::kKbsSessionCookie) + "=" + session +
                        "; Path=/kbs; HttpOnly; Secure; SameSite=Strict"};
}

const attest::Verifier* Broker::VerifierOf(std::string_view tee) const {
  for (const auto& verifier : options_.verifiers) {
    if (verifier->tee() == tee) return verifier.get();
  }
  return nullptr;
}

std::string Broker::KnownTees() const {
  std::string names;
  for (const auto& verifier : options_.verifiers) {
    names += (names.empty() ? "'" : "', '") + std::string(verifier->tee());
  }
  if (names.empty()) return "none is";
  return names + (options_.verifiers.size() == 1 ? "' is" : "' are");
}

Result<attest::VerifiedEvidence> Broker::CheckEvidence(const Challenged& challenged,
                                                       const attest::AttestRequest& attest) const {
  if (attest.nonce != challenged.challenge.nonce) {
    return Error(ErrorCode::kPermissionDenied, "the nonce is not this session's");
  }
  // Auth began no session for a TEE that has no verifier.
  return VerifierOf(challenged.tee)->Verify(attest.evidence, clock_.Now());
}

Result<std::string> Broker::MakeToken(const attest::Claims& guest,
                                      const std::string& tee_pubkey) const {
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.Now().time_since_epoch()).count();
  LOCKET_TRY_ASSIGN(const auto key, attest::ParseJsonObject(tee_pubkey));
  return signing_key_.Sign(DumpJson({{"iss", "locket-broker"},
                                     {"iat", now},
                                     {"exp", now + options_.token_lifetime.count()},
                                     {"claims", attest::ClaimsToJson(guest)},
                                     {"tee-pubkey", key}}));
}

Response Broker::Attest(const Request& request) {
  const auto id = SessionIdOf(request);
  const auto challenged =
      id ? sessions_.TakeChallenge(*id) : Error(ErrorCode::kPermissionDenied, "no session cookie");
  if (!challenged.ok()) return Refuse(attest::kInvalidCookie, challenged.error());
  const auto attest = attest::DecodeAttestRequest(AsText(request.body.Reveal()));
  if (!attest.ok()) return Refuse(attest::kInvalidRequest, attest.error());
  const auto verified = CheckEvidence(*challenged, *attest);
  if (!verified.ok() && verified.error().code() == ErrorCode::kInvalidArgument) {
    return Refuse(attest::kInvalidRequest, verified.error());
  }
  const Status bound =
      verified.ok() ? CheckBinding(*verified, challenged->challenge, *attest) : verified.error();
  AuditEntry entry{.action = "attest",
                   .allowed = bound.ok(),
                   .resource = {},
                   .reason = {},
                   .peer = request.peer};
  if (!bound.ok()) {
    NoteRefusal(std::move(entry), bound.error());
    return Refuse(attest::kAttestationError, bound.error());
  }
  entry.details = DetailsOf(verified->claims);
  const auto written = audit_.Record(entry);
  if (!written.ok()) return Broken(written.error());
  const auto token = MakeToken(verified->claims, attest->tee_pubkey);
  if (!token.ok()) return Broken(token.error());
  sessions_.Complete(*id, *token);
  return {.body = attest::EncodeAttestAnswer(*token)};
}

Result<std::string> Broker::TokenOf(const Request& request) {
  if (auto bearer = BearerOf(request)) return *bearer;
  const auto id = SessionIdOf(request);
  if (!id) return Error(ErrorCode::kPermissionDenied, "neither a session cookie nor a token");
  return sessions_.Token(*id);
}

Result<Broker::Guest> Broker::GuestOf(const std::string& token) const {
  LOCKET_TRY_ASSIGN(const auto text, verification_key_.Verify(token, clock_.Now()));
  LOCKET_TRY_ASSIGN(const auto token_claims, attest::ParseJsonObject(text));
  LOCKET_TRY_ASSIGN(auto claims,
                    attest::ClaimsFromJson(token_claims.value("claims", nlohmann::json())));
  return Guest{.claims = std::move(claims),
               .tee_pubkey = DumpJson(token_claims.value("tee-pubkey", nlohmann::json()))};
}

// The JWE, if the policy says yes. Whether a resource exists is told only to those it is for.
Result<std::string> Broker::Release(const ResourceName& path, const Guest& guest) {
  const auto stored = store_.Get(Table::kPolicy, path.ToPath());
  if (!stored.ok() && stored.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kPermissionDenied, "no release policy for " + path.ToPath());
  }
  if (!stored.ok()) return stored.error();
  const auto policy = attest::DecodeReleasePolicy(AsText(stored->Reveal()));
  if (!policy.ok()) {
    return Error(ErrorCode::kDataLoss,
                 "release policy for " + path.ToPath() + ": " + policy.error().message());
  }
  LOCKET_TRY(attest::Evaluate(*policy, guest.claims));
  LOCKET_TRY_ASSIGN(const auto secret, store_.Get(Table::kResource, path.ToPath()));
  return attest::EncryptJwe(guest.tee_pubkey, secret.Reveal());
}

Response Broker::GetResource(const Request& request, const std::string& path_text) {
  const auto path = ResourceName::FromPath(path_text);
  if (!path.ok()) return Refuse(attest::kInvalidRequestPath, path.error());
  const auto token = TokenOf(request);
  if (!token.ok()) return Refuse(attest::kInvalidCookie, token.error());
  const auto guest = GuestOf(*token);
  if (!guest.ok()) return Refuse(attest::kTokenVerifierError, guest.error());
  auto released = Release(*path, *guest);
  AuditEntry entry{.action = "get-resource",
                   .allowed = released.ok(),
                   .resource = path->ToPath(),
                   .reason = {},
                   .peer = request.peer,
                   .details = DetailsOf(guest->claims)};
  if (released.ok()) {
    // What nobody wrote down does not leave.
    const auto written = audit_.Record(entry);
    if (!written.ok()) return Broken(written.error());
    return {.body = *std::move(released)};
  }
  NoteRefusal(std::move(entry), released.error());
  switch (released.error().code()) {
    case ErrorCode::kPermissionDenied:
      return Refuse(attest::kPolicyDeny, released.error());
    case ErrorCode::kNotFound:
      return Refuse(attest::kResourceNotFound, released.error());
    case ErrorCode::kInvalidArgument:
      return Refuse(attest::kInvalidRequest, released.error());
    default:
      return Broken(released.error());
  }
}

}  // namespace locket::key_broker
