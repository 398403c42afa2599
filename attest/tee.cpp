#include "attest/tee.h"

#include "attest/tee_frame.h"

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

Result<Evidence> EmulatedEvidenceSource::GetEvidence(const ReportData& report_data) {
  LOCKET_TRY_ASSIGN(const auto answer,
                    Exchange(EncodeReportRequest(report_data)).While("emulated TEE"));
  LOCKET_TRY_ASSIGN(auto snp, DecodeReportAnswer(answer).While("emulated TEE"));
  return Evidence{.tee = "snp", .snp = std::move(snp)};
}

}  // namespace locket::attest
