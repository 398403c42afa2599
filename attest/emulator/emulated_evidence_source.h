// The guest's end of the emulated TEE: virtio port dev.locket.tee
// (docs/formats/guest-channels.md). Protects nothing.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "attest/evidence/evidence.h"
#include "attest/snp/snp_evidence.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::attest {

// One request and one answer at a time; not thread-safe.
class EmulatedEvidenceSource final : public EvidenceSource {
 public:
  // `timeout` is for one request and its whole answer.
  explicit EmulatedEvidenceSource(UniqueFd port,
                                  std::chrono::milliseconds timeout = std::chrono::seconds(10))
      : port_(std::move(port)), timeout_(timeout) {}

  std::string_view tee() const override { return kSnpTee; }
  // kDeadlineExceeded: no answer in time. kUnavailable: the port closed. kInternal: the emulator
  // refused; the message has its reason, and the port stays usable. After any other failure the
  // port is given up, because frames may be out of step: later calls return kFailedPrecondition.
  Result<Evidence> GetEvidence(const ReportData& report_data) override;
  Result<HostData> OwnHostData() override;

 private:
  Result<std::string> Exchange(const std::string& request);
  Result<SnpEvidence> Report(const ReportData& report_data);

  UniqueFd port_;
  std::chrono::milliseconds timeout_;
};

}  // namespace locket::attest
