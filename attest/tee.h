// The seam at the TEE, from inside the guest: who signs a statement about this VM.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "attest/snp_verify.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::attest {

inline constexpr size_t kReportDataBytes = 64;
using ReportData = std::array<std::byte, kReportDataBytes>;

struct Evidence {
  std::string tee;  // KBS protocol: "snp", also for the emulator, whose report differs by its root
  SnpEvidence snp;
};

class EvidenceSource {
 public:
  virtual ~EvidenceSource() = default;
  // A fresh report that carries `report_data`. To learn one's own host_data, ask with zeros and
  // decode it (snp_report.h).
  virtual Result<Evidence> GetEvidence(const ReportData& report_data) = 0;
};

// The emulated TEE behind virtio port dev.locket.tee (docs/formats/guest-channels.md). Protects
// nothing. Not thread-safe.
class EmulatedEvidenceSource final : public EvidenceSource {
 public:
  explicit EmulatedEvidenceSource(UniqueFd port,
                                  std::chrono::milliseconds timeout = std::chrono::seconds(10))
      : port_(std::move(port)), timeout_(timeout) {}
  // kDeadlineExceeded: no answer in time. kUnavailable: the port closed. After any failure the
  // port is given up, as frames may be out of step: later calls answer kFailedPrecondition.
  Result<Evidence> GetEvidence(const ReportData& report_data) override;

 private:
  Result<std::string> Exchange(const std::string& request);
  UniqueFd port_;
  std::chrono::milliseconds timeout_;
};

// Answers with what it was told, for tests.
class FakeEvidenceSource final : public EvidenceSource {
 public:
  using Answer = std::function<Result<Evidence>(const ReportData&)>;
  explicit FakeEvidenceSource(Answer answer) : answer_(std::move(answer)) {}
  Result<Evidence> GetEvidence(const ReportData& report_data) override {
    ++calls_;
    return answer_(report_data);
  }
  int calls() const { return calls_; }

 private:
  Answer answer_;
  int calls_ = 0;
};

}  // namespace locket::attest
