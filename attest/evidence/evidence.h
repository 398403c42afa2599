// Evidence: a TEE's signed statement about one guest, on its way from the guest to a verifier.
#pragma once

#include <string>
#include <string_view>

#include "attest/evidence/claims.h"
#include "base/result.h"

namespace locket::attest {

// As the KBS protocol carries it. Only the verifier of the TEE reads it; what transports it sees
// text.
struct Evidence {
  // "primary_evidence", a JSON object. For "snp": {"attestation_report":"<base64, 1184 bytes>",
  // "cert_chain":"<PEM>"}.
  std::string primary;
};

// The seam at the TEE, from inside the guest: one implementation for each TEE.
class EvidenceSource {
 public:
  virtual ~EvidenceSource() = default;

  // Returns the TEE's name in the KBS protocol, which tells the broker how to read the evidence.
  virtual std::string_view tee() const = 0;

  // Returns a fresh report that carries `report_data`. Asks the firmware each time.
  // kUnavailable, kDeadlineExceeded: the TEE does not answer. kFailedPrecondition: there is no TEE,
  // or it was given up after an earlier failure.
  virtual Result<Evidence> GetEvidence(const ReportData& report_data) = 0;

  // Returns the host_data of this guest's own report, with which a guest checks its initdata. No
  // signature is checked: the report comes from the TEE itself, not through the host.
  // Errors as for GetEvidence; kInvalidArgument: the report is malformed.
  virtual Result<HostData> OwnHostData() = 0;
};

}  // namespace locket::attest
