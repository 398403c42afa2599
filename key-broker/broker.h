// The broker without its network: requests in, answers out. KBS protocol 0.4.0 for guests, and a
// few calls for the administrator (README.md).
//
// The life of one release, for resource "a/b/c":
//   1. The administrator stores the resource, and a release policy that names the measurements and
//      the initdata of the guests that may have it.
//   2. POST auth: the guest names its TEE. It gets a nonce and the cookie of a new session.
//   3. POST attest: the guest sends evidence. The TEE's verifier turns it into claims; report_data
//      has to bind the session's nonce and the guest's key. The nonce is used up, whether or not
//      that succeeds. The guest gets a token that holds the claims and its key, signed by a key
//      that exists only in this object.
//   4. GET resource/a/b/c with cookie or token: the policy of a/b/c is evaluated on the token's
//      claims. If it allows them, the audit log is written, and then the resource is sent as a JWE
//      for the guest's key. Whoever stole the token cannot read it.
// Steps 3 and 4 are repeated when the token or the session has expired. A policy that changes holds
// from the next request on; a restart of the broker ends all tokens.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/evidence/release_policy.h"
#include "attest/evidence/verifier.h"
#include "attest/jose/jwt.h"
#include "base/clock.h"
#include "base/result.h"
#include "key-broker/audit_log.h"
#include "key-broker/refusals.h"
#include "key-broker/sessions.h"
#include "key-broker/store.h"

namespace locket::key_broker {

struct BrokerOptions {
  // One for each TEE whose guests may attest, with different names. Without any, no guest may.
  std::vector<std::unique_ptr<attest::Verifier>> verifiers;
  // Ed25519, in PEM. Without it every administrator's call is refused.
  std::optional<std::string> admin_public_pem{};
  SessionLimits sessions{};
  // For how long a guest may fetch resources after it attested. A guest that the host replaced or
  // changed in that time still passes.
  std::chrono::seconds token_lifetime{300};
  // How many refusals of all clients are written to audit log and journal in a minute; one client
  // has a quarter of them. Further refusals are only counted (refusals.h).
  size_t refusals_per_minute = 60;
};

// One HTTP request, as far as the broker looks at it.
struct Request {
  std::string method;
  std::string path;             // of the URL, without a query: "/kbs/v0/auth"
  std::string authorization{};  // the header's value; empty: none
  std::string cookie{};         // the header's value; empty: none
  Secret body = Secret(0);
  std::string peer{};  // the client's address, for the audit log
};

struct Response {
  int status = 200;
  std::string body{};        // JSON
  std::string set_cookie{};  // the header's value; empty: none
};

// What a request's head decides before any of its body is read.
struct Admission {
  size_t max_body_bytes = 0;  // without a refusal: how long the body may be
  // What Handle would answer whatever the body is. If present, Handle need not be called.
  std::optional<Response> refusal{};
};

// Thread-safe: the server calls it from all its threads. Store, audit log and clock outlive it.
class Broker {
 public:
  // Makes the key that signs this broker's tokens. kInvalidArgument: the administrator's key is not
  // an Ed25519 public key.
  static Result<std::unique_ptr<Broker>> Create(BrokerOptions options, Store& store,
                                                AuditLog& audit, const Clock& clock);

  // Answers one request, whose length Admit has bounded. Blocks for the store, and for the disk of
  // the audit log before a release or an administrator's change. Every failure is an answer, too,
  // in the form of RFC 7807 (problems.h):
  //   400   the request is malformed
  //   401   refused; the answer's type and detail say why
  //   404   no such path or method
  //   500   the broker itself failed; its log says why
  Response Handle(const Request& request);

  // Says how long the body of a request may be, by its head alone, so that a stranger cannot make
  // the broker hold much: 4 KiB for "auth", `max_body_bytes` for "attest" and for a request with
  // the administrator's token, nothing for any other. `head` is the request without its body. A
  // request that no body could make acceptable is answered in `refusal`, and logged.
  Admission Admit(const Request& head, size_t max_body_bytes);

 private:
  struct Denial;
  struct Guest;
  using Answer = Result<Response>;

  Broker(BrokerOptions options, Store& store, AuditLog& audit, const Clock& clock,
         attest::SigningKey signing_key, attest::VerificationKey verification_key);

  Response Route(const Request& request);
  Response Auth(const Request& request);
  Response Attest(const Request& request);
  Response GetResource(const Request& request, const std::string& path);
  Response Administer(const Request& request);

  const attest::Verifier* VerifierOf(std::string_view tee) const;
  std::string KnownTees() const;
  Result<attest::VerifiedEvidence> CheckEvidence(const Challenged& challenged,
                                                 const attest::AttestRequest& attest) const;
  Result<std::string> MakeToken(const attest::Claims& guest, const std::string& tee_pubkey) const;
  Result<std::string> TokenOf(const Request& request);
  Result<Guest> GuestOf(const std::string& token) const;
  Result<std::string> Release(const ResourceName& path, const Guest& guest);
  Status CheckAdmin(const Request& request) const;
  void NoteRefusal(AuditEntry entry, const Error& why);
  Answer AdminCall(const Request& request);
  Answer ListPolicies();

  const BrokerOptions options_;
  Store& store_;
  AuditLog& audit_;
  const Clock& clock_;
  const attest::SigningKey signing_key_;  // born with the broker: a restart ends all tokens
  const attest::VerificationKey verification_key_;
  Sessions sessions_;
  RefusalBudget refusals_;
};

}  // namespace locket::key_broker
