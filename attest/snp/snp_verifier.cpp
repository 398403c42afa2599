#include "attest/snp/snp_verifier.h"

#include "attest/snp/snp_claims.h"

namespace locket::attest {

Result<VerifiedEvidence> VerifySnpClaims(const SnpEvidence& evidence, TeeKind kind,
                                         std::span<const SnpRoot> roots,
                                         std::chrono::system_clock::time_point now,
                                         std::span<const SnpCrl> crls) {
  const auto report = VerifySnp(evidence, roots, now, crls);
  // The form was right; bytes that are not a report prove nothing.
  if (!report.ok()) return Error(ErrorCode::kPermissionDenied, report.error().message());
  return VerifiedEvidence{.claims = ClaimsOf(*report, kind), .report_data = report->report_data};
}

Result<VerifiedEvidence> SnpVerifier::Verify(const Evidence& evidence,
                                             std::chrono::system_clock::time_point now) const {
  LOCKET_TRY_ASSIGN(const auto snp, DecodeSnpEvidence(evidence.primary));
  return VerifySnpClaims(snp, TeeKind::kSnp, roots_, now, crls_);
}

}  // namespace locket::attest
