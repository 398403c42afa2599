#include "attest/emulator/emulated_verifier.h"

#include "attest/snp/snp_evidence.h"
#include "attest/snp/snp_verifier.h"

namespace locket::attest {

Result<VerifiedEvidence> EmulatedVerifier::Verify(const Evidence& evidence,
                                                  std::chrono::system_clock::time_point now) const {
  LOCKET_TRY_ASSIGN(const auto snp, DecodeSnpEvidence(evidence.primary));
  if (!HasRoot(snp.certificates, root_)) return genuine_->Verify(evidence, now);
  LOCKET_TRY_ASSIGN(auto verified,
                    VerifySnpClaims(snp, TeeKind::kEmulated, std::span(&root_, 1), now));
  if (guests_ == EmulatedGuests::kAllow) return verified;
  return Error(ErrorCode::kPermissionDenied, "emulated TEE is not allowed by this broker");
}

}  // namespace locket::attest
