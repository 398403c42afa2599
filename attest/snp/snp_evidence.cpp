#include "attest/snp/snp_evidence.h"

#include "attest/common/json.h"
#include "base/encoding.h"

namespace locket::attest {

std::string EncodeSnpEvidence(const SnpEvidence& evidence) {
  return DumpJson({{"attestation_report", Base64Encode(evidence.report)},
                   {"cert_chain", evidence.certificates}});
}

Result<SnpEvidence> DecodeSnpEvidence(std::string_view primary_evidence) {
  LOCKET_TRY_ASSIGN(const auto object,
                    ParseJsonObject(primary_evidence).While("'primary_evidence'"));
  LOCKET_TRY_ASSIGN(const auto report,
                    JsonText(object, "attestation_report").While("'primary_evidence'"));
  SnpEvidence out;
  LOCKET_TRY_ASSIGN(out.report,
                    Base64Decode(report).While("'attestation_report'").While("'primary_evidence'"));
  LOCKET_TRY_ASSIGN(out.certificates, JsonText(object, "cert_chain").While("'primary_evidence'"));
  return out;
}

}  // namespace locket::attest
