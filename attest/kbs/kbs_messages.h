// The JSON of the KBS protocol, version 0.4.0: what guests and broker say to each other.
//
//   guest                                   broker
//   POST auth    AuthRequest         ->
//                                    <-     Challenge, and a session cookie
//   POST attest  AttestRequest       ->     checks that report_data is ReportDataFor(...)
//                                    <-     a token (EncodeAttestAnswer)
//   GET resource/a/b/c, cookie or token ->
//                                    <-     a JWE for the key of the AttestRequest (jwe.h)
//
// A refusal at any step is a Problem. Each Decode function takes bytes nobody has vouched for, and
// returns kInvalidArgument with the member's name for anything malformed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/common/hash.h"
#include "attest/evidence/evidence.h"
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

// POST /kbs/v0/attest. What form the evidence has depends on the TEE that the session's AuthRequest
// named; only its verifier reads it.
struct AttestRequest {
  std::string nonce;
  std::string tee_pubkey;           // JWK
  std::string additional_evidence;  // empty: none
  Evidence evidence;
  std::optional<std::string> initdata{};  // TOML
};
std::string EncodeAttestRequest(const AttestRequest& request);
Result<AttestRequest> DecodeAttestRequest(std::string_view json);

// Returns what the evidence's report_data has to be: the hash of the canonical JSON of nonce, key
// and additional evidence, padded with zeros to 64 bytes. It binds the evidence to one session and
// to the holder of the key. kInvalidArgument: `tee_pubkey` is not a JSON object.
Result<ReportData> ReportDataFor(HashAlgorithm hash, std::string_view nonce,
                                 std::string_view tee_pubkey, std::string_view additional_evidence);

std::string EncodeAttestAnswer(std::string_view token);
// Returns the token. It goes into a header line of the guest's, so kInvalidArgument also for one
// with spaces, control characters, or more than kMaxTokenBytes.
Result<std::string> DecodeAttestAnswer(std::string_view json);

// Why a request was refused (RFC 7807). `name` is the last segment of "type", `detail` is for
// people.
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
// Whether a problem of this name says that the session or its token has ended, so that attesting
// again helps. Trustee's names count as well as ours.
bool MeansSessionEnded(std::string_view name);

}  // namespace locket::attest
