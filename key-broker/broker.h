// The broker without its network: requests in, answers out. KBS protocol 0.4.0 for guests, and a
// few calls for the administrator (README.md).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/jwt.h"
#include "attest/release_policy.h"
#include "attest/snp_verify.h"
#include "base/clock.h"
#include "base/result.h"
#include "key-broker/audit_log.h"
#include "key-broker/refusals.h"
#include "key-broker/sessions.h"
#include "key-broker/store.h"

namespace locket::key_broker {

struct BrokerOptions {
  std::vector<attest::SnpRoot> roots;
  std::vector<attest::SnpCrl> crls{};             // none: revocation is not looked at
  bool allow_emulated = false;                    // else reports under an emulated root are refused
  std::optional<std::string> admin_public_pem{};  // none: every administrator is refused
  SessionLimits sessions{};
  std::chrono::seconds token_lifetime{300};
  size_t refusals_per_minute = 60;  // written to audit log and journal
};

struct Request {
  std::string method;
  std::string path;
  std::string authorization{};  // header values; empty: none
  std::string cookie{};
  Secret body = Secret(0);
  std::string peer{};  // address, for the audit log
};

struct Response {
  int status = 200;
  std::string body{};  // JSON
  std::string set_cookie{};
};

// What a request's head decides before any of its body is read.
struct Admission {
  size_t max_body_bytes = 0;
  std::optional<Response> refusal{};  // what Handle would answer whatever the body is
};

// Thread-safe. The references outlive the broker.
class Broker {
 public:
  static Result<std::unique_ptr<Broker>> Create(BrokerOptions options, Store& store,
                                                AuditLog& audit, const Clock& clock);

  // Every failure is an answer, too: RFC 7807, with the status codes of Trustee.
  Response Handle(const Request& request);

  // `head` is a request without its body. Only who may send a large body is let.
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

  Result<attest::VerifiedSnp> CheckEvidence(const attest::Challenge& challenge,
                                            const attest::AttestRequest& attest) const;
  Result<std::string> MakeToken(const attest::VerifiedSnp& guest,
                                const std::string& tee_pubkey) const;
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
