// The seam at the TEE, from the broker's side: one implementation for each TEE.
#pragma once

#include <chrono>
#include <string_view>

#include "attest/evidence/claims.h"
#include "attest/evidence/evidence.h"
#include "base/result.h"

namespace locket::attest {

struct VerifiedEvidence {
  Claims claims;
  ReportData report_data;  // the caller checks that it binds its own nonce and the guest's key
};

// Decides whether evidence is the statement of a TEE that this verifier trusts. Whether anybody
// wants the guest it speaks of is for a release policy to say (release_policy.h).
// Immutable, so any number of threads may call it.
class Verifier {
 public:
  virtual ~Verifier() = default;

  // Returns the TEE's name in the KBS protocol: a guest names it in its first message, and its
  // evidence then comes to this verifier.
  virtual std::string_view tee() const = 0;

  // Returns what `evidence` proves at the time `now`.
  // kInvalidArgument: it does not have the form of this TEE's evidence, so nothing was checked.
  // kPermissionDenied: it proves nothing; the message says which check failed.
  virtual Result<VerifiedEvidence> Verify(const Evidence& evidence,
                                          std::chrono::system_clock::time_point now) const = 0;
};

}  // namespace locket::attest
