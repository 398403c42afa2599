#pragma once

#include <functional>
#include <utility>

#include "attest/evidence/evidence.h"

namespace locket::attest {

// A guest in a test: answers each request with what the test's function returns.
class FakeEvidenceSource final : public EvidenceSource {
 public:
  using Answer = std::function<Result<Evidence>(const ReportData&)>;
  explicit FakeEvidenceSource(Answer answer) : answer_(std::move(answer)) {}

  std::string_view tee() const override { return "snp"; }
  Result<Evidence> GetEvidence(const ReportData& report_data) override {
    ++calls_;
    return answer_(report_data);
  }
  Result<HostData> OwnHostData() override { return HostData{}; }

  int calls() const { return calls_; }  // of GetEvidence

 private:
  Answer answer_;
  int calls_ = 0;
};

}  // namespace locket::attest
