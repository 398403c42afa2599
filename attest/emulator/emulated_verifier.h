// The emulated TEE behind the broker's seam (verifier.h).
#pragma once

#include <memory>
#include <utility>

#include "attest/evidence/verifier.h"
#include "attest/snp/snp_verify.h"

namespace locket::attest {

enum class EmulatedGuests { kRefuse, kAllow };

// A guest of the emulated TEE says "snp" in the KBS protocol, and its reports differ from real
// ones by their root certificate alone. So this verifier is placed in front of SNP's: evidence
// whose certificates include the emulated root is answered here, with claims of kind kEmulated;
// all other evidence goes to `genuine`. A root that an administrator lists as AMD's by mistake
// therefore stays an emulated one.
class EmulatedVerifier final : public Verifier {
 public:
  // `root` is known even with kRefuse, so that the refusal can say what it refuses.
  EmulatedVerifier(const SnpRoot& root, EmulatedGuests guests, std::unique_ptr<Verifier> genuine)
      : root_(root), guests_(guests), genuine_(std::move(genuine)) {}

  std::string_view tee() const override { return genuine_->tee(); }
  // kPermissionDenied also for good evidence, with kRefuse.
  Result<VerifiedEvidence> Verify(const Evidence& evidence,
                                  std::chrono::system_clock::time_point now) const override;

 private:
  const SnpRoot root_;
  const EmulatedGuests guests_;
  const std::unique_ptr<Verifier> genuine_;
};

}  // namespace locket::attest
