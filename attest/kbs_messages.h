// The JSON of the KBS protocol, version 0.4.0: what guests and broker say to each other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/hash.h"
#include "attest/tee.h"
#include "base/result.h"

namespace locket::attest {

inline constexpr std::string_view kKbsVersion = "0.4.0";
inline constexpr std::string_view kKbsSessionCookie = "kbs-session-id";

// POST /kbs/v0/auth
struct AuthRequest {
  std::string tee;
  std::vector<HashAlgorithm> hashes{};  // supported; names we do not know are left out
};
std::string EncodeAuthRequest(const AuthRequest& request);
// kInvalidArgument: malformed, or not version 0.4.0.
Result<AuthRequest> DecodeAuthRequest(std::string_view json);

struct Challenge {
  std::string nonce;
  HashAlgorithm hash = HashAlgorithm::kSha384;  // also what an answer without selection means
};
std::string EncodeChallenge(const Challenge& challenge);
Result<Challenge> DecodeChallenge(std::string_view json);

// POST /kbs/v0/attest. The primary evidence of "snp" is {"attestation_report":"<b64 1184 bytes>",
// "cert_chain":"<PEM>"}.
struct AttestRequest {
  std::string nonce;
  std::string tee_pubkey;           // JWK
  std::string additional_evidence;  // empty: none
  SnpEvidence evidence;
  std::optional<std::string> initdata{};  // TOML
};
std::string EncodeAttestRequest(const AttestRequest& request);
Result<AttestRequest> DecodeAttestRequest(std::string_view json);

// What report_data has to be: the hash of the canonical JSON of nonce, key and additional
// evidence, padded with zeros.
Result<ReportData> ReportDataFor(HashAlgorithm hash, std::string_view nonce,
                                 std::string_view tee_pubkey, std::string_view additional_evidence);

std::string EncodeAttestAnswer(std::string_view token);
Result<std::string> DecodeAttestAnswer(std::string_view json);

// RFC 7807. `name` is the last segment of "type".
struct Problem {
  std::string name;
  std::string detail;
};
std::string EncodeProblem(const Problem& problem);
Result<Problem> DecodeProblem(std::string_view json);

// Problem names of ours, as Trustee spells them where it has them.
inline constexpr std::string_view kPolicyDeny = "PolicyDeny";
inline constexpr std::string_view kResourceNotFound = "ResourceNotFound";
inline constexpr std::string_view kAttestationError = "AttestationError";
inline constexpr std::string_view kInvalidCookie = "InvalidCookie";
inline constexpr std::string_view kTokenVerifierError = "TokenVerifierError";
inline constexpr std::string_view kInvalidRequest = "InvalidRequest";
inline constexpr std::string_view kInvalidRequestPath = "InvalidRequestPath";
inline constexpr std::string_view kAdminAuthError = "AdminAuthError";
inline constexpr std::string_view kInternalError = "InternalError";
// Attesting again helps against these.
bool MeansSessionEnded(std::string_view name);

}  // namespace locket::attest
