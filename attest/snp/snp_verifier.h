// SEV-SNP behind the broker's seam (verifier.h).
#pragma once

#include <utility>
#include <vector>

#include "attest/evidence/verifier.h"
#include "attest/snp/snp_verify.h"

namespace locket::attest {

// Verifies under `roots`, which are AMD's, with the revocation lists `crls` (none: revocation is
// not looked at). Claims are of kind kSnp. VerifySnp (snp_verify.h) lists the checks.
class SnpVerifier final : public Verifier {
 public:
  explicit SnpVerifier(std::vector<SnpRoot> roots, std::vector<SnpCrl> crls = {})
      : roots_(std::move(roots)), crls_(std::move(crls)) {}

  std::string_view tee() const override { return kSnpTee; }
  Result<VerifiedEvidence> Verify(const Evidence& evidence,
                                  std::chrono::system_clock::time_point now) const override;

 private:
  const std::vector<SnpRoot> roots_;
  const std::vector<SnpCrl> crls_;
};

// Verifies SNP evidence that is already decoded, and returns claims of kind `kind`. For the
// verifiers of TEEs that report in SNP's format. kPermissionDenied: any check failed.
Result<VerifiedEvidence> VerifySnpClaims(const SnpEvidence& evidence, TeeKind kind,
                                         std::span<const SnpRoot> roots,
                                         std::chrono::system_clock::time_point now,
                                         std::span<const SnpCrl> crls = {});

}  // namespace locket::attest
