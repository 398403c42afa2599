#include "tests/key-broker/guest.h"

#include <memory>

#include "attest/snp/snp_verifier.h"
#include "initdata/initdata.h"

namespace locket::key_broker {

attest::LaunchMeasurement TestMeasurement() {
  attest::LaunchMeasurement measurement{};
  measurement.fill(std::byte{0x11});
  return measurement;
}

attest::HostData TestHostData() {
  return initdata::HostDataFor(initdata::InitdataAlgorithm::kSha256, kInitdata);
}

attest::EmulatedTee::Launch TestLaunch() {
  return {.measurement = TestMeasurement(), .host_data = TestHostData()};
}

attest::FakeEvidenceSource SourceFor(const attest::EmulatedTee::Launch& launch) {
  auto tee = std::make_shared<attest::EmulatedTee>(
      attest::EmulatedTee::Open(attest::TestRootDirectory(), launch).value());
  return attest::FakeEvidenceSource(
      [tee](const attest::ReportData& report_data) -> Result<attest::Evidence> {
        LOCKET_TRY_ASSIGN(const auto snp, tee->Report(report_data));
        return attest::Evidence{.primary = attest::EncodeSnpEvidence(snp)};
      });
}

std::vector<std::unique_ptr<attest::Verifier>> TestVerifiers(attest::EmulatedGuests guests) {
  std::vector<std::unique_ptr<attest::Verifier>> verifiers;
  verifiers.push_back(std::make_unique<attest::EmulatedVerifier>(
      attest::TestSnpRoot(), guests,
      std::make_unique<attest::SnpVerifier>(std::vector{attest::AmdMilanRoot()})));
  return verifiers;
}

std::vector<std::unique_ptr<attest::Verifier>> GenuineVerifiers() {
  std::vector<std::unique_ptr<attest::Verifier>> verifiers;
  verifiers.push_back(std::make_unique<attest::SnpVerifier>(std::vector{attest::AmdMilanRoot()}));
  return verifiers;
}

attest::ReleasePolicy TestPolicy(const std::string& resource) {
  return {.resource = ResourceName::FromPath(resource).value(),
          .tee = {attest::TeeKind::kEmulated},
          .measurements = {TestMeasurement()},
          .host_data = {TestHostData()}};
}

}  // namespace locket::key_broker
