#include "attest/emulator/emulated_evidence_source.h"

#include "attest/emulator/tee_frame.h"
#include "attest/snp/snp_report.h"

namespace locket::attest {

Result<std::string> EmulatedEvidenceSource::Exchange(const std::string& request) {
  if (!port_.valid()) {
    return Error(ErrorCode::kFailedPrecondition, "the port was given up after an earlier failure");
  }
  const auto sent = WriteTeeFrame(port_.get(), request);
  auto answer = sent.ok() ? ReadTeeFrame(port_.get(), timeout_) : sent.error();
  if (!answer.ok()) port_.reset();
  return answer;
}

Result<SnpEvidence> EmulatedEvidenceSource::Report(const ReportData& report_data) {
  LOCKET_TRY_ASSIGN(const auto answer,
                    Exchange(EncodeReportRequest(report_data)).While("emulated TEE"));
  return DecodeReportAnswer(answer).While("emulated TEE");
}

Result<Evidence> EmulatedEvidenceSource::GetEvidence(const ReportData& report_data) {
  LOCKET_TRY_ASSIGN(const auto snp, Report(report_data));
  return Evidence{.primary = EncodeSnpEvidence(snp)};
}

Result<HostData> EmulatedEvidenceSource::OwnHostData() {
  LOCKET_TRY_ASSIGN(const auto snp, Report(ReportData{}));
  LOCKET_TRY_ASSIGN(const auto report, DecodeSnpReport(snp.report));
  return report.host_data;
}

}  // namespace locket::attest
